"""The dashboard's files, read at once and ready to be sent.

All of them have one prefix that changes when any of them does, so that browsers may keep what lies under it for ever:
what a file names is beside it, and thus under the same prefix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sysmonstm.gatewayd.compression import THOROUGH, gzipped, is_text

DIGEST_DIGITS = 16
DIGEST = re.compile(rf"[0-9a-f]{{{DIGEST_DIGITS}}}")

# By ourselves: what Python's mimetypes say is up to the system.
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
OTHER_TYPE = "application/octet-stream"

# When each file was written, in nanoseconds since 1970, and its length.
State = dict[Path, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class WebFile:
    """A file's content, with gzip if that makes it shorter, and a digest of it."""

    content_type: str
    body: bytes
    gzip: bytes | None
    digest: str


@dataclass(frozen=True, slots=True)
class Found:
    """A file, and whether what was asked for will never be anything else."""

    file: WebFile
    lasting: bool


@dataclass(frozen=True, slots=True)
class WebFiles:
    """Files by their paths, and a digest of all of them."""

    files: Mapping[str, WebFile]
    digest: str

    def find(self, path: str) -> Found | None:
        """The file of this path, or of that under a digest, which is an old one for pages from before an upgrade."""
        if path in self.files:
            return Found(self.files[path], lasting=False)
        digest, _, rest = path.partition("/")
        if not DIGEST.fullmatch(digest) or rest not in self.files:
            return None
        return Found(self.files[rest], lasting=digest == self.digest)


def web_file(name: str, body: bytes) -> WebFile:
    """A file ready to be sent; its name says of what type it is."""
    content_type = CONTENT_TYPES.get(Path(name).suffix, OTHER_TYPE)
    short = gzipped(body, THOROUGH) if is_text(content_type) else body
    return WebFile(content_type, body, short if len(short) < len(body) else None, _digest(body))


def read(folder: Path) -> WebFiles:
    """All files in the folder and below, now."""
    files = {}
    for path in _paths(folder):
        try:
            name, body = path.relative_to(folder).as_posix(), path.read_bytes()
        except FileNotFoundError:
            continue  # gone since it was listed
        files[name] = web_file(name, body)
    return WebFiles(files, _digest("".join(f"{name}\n{one.digest}\n" for name, one in files.items()).encode()))


def state(folder: Path) -> State:
    """What changes when a file in the folder or below does."""
    found = {}
    for path in _paths(folder):
        try:
            about = path.stat()
        except FileNotFoundError:
            continue  # gone since it was listed
        found[path] = (about.st_mtime_ns, about.st_size)
    return found


def _paths(folder: Path) -> Iterator[Path]:
    """Sorted, without what editors hide beside a file."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:DIGEST_DIGITS]
