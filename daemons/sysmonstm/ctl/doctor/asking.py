"""Asks the machine: commands and small files. What cannot be had is None."""

from __future__ import annotations

import json
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sysmonstm.ctl.doctor.listening import is_loopback

SECONDS = 10.0
WEB_SECONDS = 5.0
LARGEST_ANSWER_BYTES = 64 * 1024 * 1024

# The dashboard is near, mostly on this machine: a proxy for the web is not on the way there.
_direct = urllib.request.ProxyHandler({})
_opener = urllib.request.build_opener(_direct)


@dataclass(frozen=True, slots=True)
class Said:
    """What a command said, and whether it succeeded."""

    succeeded: bool
    output: str
    last_line: str


def command(
    words: Sequence[str | Path],
    environ: Mapping[str, str] | None = None,
    stdin: str = "",
    account: str | None = None,
) -> Said | None:
    """Run it, as an account of this machine if one is named; None if it is not there or takes too long."""
    try:
        done = subprocess.run(
            words, input=stdin, capture_output=True, text=True, errors="replace", timeout=SECONDS, check=False, cwd="/",
            env=None if environ is None else dict(environ), user=account, extra_groups=[] if account else None,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    return Said(done.returncode == 0, done.stdout, lines[-1] if lines else f"exit status {done.returncode}")


def text_of(path: Path) -> str | None:
    """A small file's text."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None


def answer(url: str) -> Any:
    """The JSON at a web address, also where it is the answer to a fault; None if there is none."""
    try:
        with _opener_for(url).open(url, timeout=WEB_SECONDS) as response:
            return json.loads(response.read(LARGEST_ANSWER_BYTES))
    except urllib.error.HTTPError as error:
        return _parsed(error.read())
    except (OSError, HTTPException, ValueError):
        return None


def _opener_for(url: str) -> urllib.request.OpenerDirector:
    """Of this machine nothing but an answer is wanted; its certificate has the name that others call it by."""
    if not (url.startswith("https://") and is_loopback(urlsplit(url).hostname or "")):
        return _opener
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return urllib.request.build_opener(_direct, urllib.request.HTTPSHandler(context=context))


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None
