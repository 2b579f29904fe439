"""Asks a gateway, and says in one line what is wrong when it does not answer."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, RemoteDisconnected
from urllib.parse import urlencode, urlsplit

from sysmonstm.config import UserError

TIMEOUT_SECONDS = 5.0
# A thousand machines with every metric are a few MB.
LARGEST_ANSWER_BYTES = 64 * 1024 * 1024
SHOWN = ("cpu.percent", "memory.percent", "filesystem.percent", "system.load1", "system.uptime")

# The dashboard is near, mostly on this machine: a proxy for the web is not on the way there.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Machine:
    """One line of the table; None is what was not read. The strings are the machine's own: escape them."""

    name: str
    state: str
    cpu_percent: float | None = None
    memory_percent: float | None = None
    fullest_percent: float | None = None
    fullest_mount: str = ""
    load1: float | None = None
    uptime_seconds: float | None = None
    seen: float | None = None
    """When the hub last had a sample, in seconds since 1970."""
    tags: tuple[str, ...] = ()


def fetch(url: str) -> bytes:
    """The answer of /api/machines with the metrics of the table; UserError if there is none."""
    return get(url, f"/api/machines?{urlencode({'metrics': ','.join(SHOWN)})}")


def get(url: str, path: str) -> bytes:
    """What the gateway at `url` answers on a path; UserError if it does not, or answers that it cannot."""
    if not _is_web_address(url):
        raise UserError(f"{url} is no address of a dashboard; one looks like http://127.0.0.1:8000")
    try:
        with _opener.open(url.rstrip("/") + path, timeout=TIMEOUT_SECONDS) as response:
            answer: bytes = response.read(LARGEST_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        raise UserError(f"{url} answers {error.code} {error.reason}; its /ready says what it lacks") from None
    except urllib.error.URLError as error:
        raise UserError(f"no gateway at {url} ({_reason(error.reason)}); {_HINT}") from None
    except (OSError, HTTPException, ValueError) as error:
        raise UserError(f"no gateway at {url} ({_reason(error)}); {_HINT}") from None
    return answer


_HINT = "start one with `sysmonctl up`, or name another with --url or SYSMON_URL"


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def _reason(error: object) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}; SSL_CERT_FILE names the file of its authority"
    if isinstance(error, RemoteDisconnected):
        return "it closes the connection at once; does it want https://?"
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def no_gateway(url: str) -> UserError:
    """What is said where the answer is none of ours."""
    return UserError(f"what answers at {url} is no gateway of sysmonstm; name another with --url")


def parse(url: str, answer: bytes) -> list[Machine]:
    """The machines in an answer, by name; UserError if it is not one of ours."""
    try:
        machines = [_machine(one) for one in json.loads(answer)["machines"]]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise no_gateway(url) from None
    return sorted(machines, key=lambda machine: machine.name)


def _machine(one: dict[str, object]) -> Machine:
    values = one.get("values", {})
    if not isinstance(values, dict):
        raise TypeError("values is no object")
    filesystems = {mount: value for mount, value in values.get("filesystem.percent", {}).items() if value is not None}
    fullest = max(filesystems, key=lambda mount: float(filesystems[mount]), default="")
    seen = one["received"] if one.get("received") is not None else one.get("time")
    return Machine(
        name=str(one["machine"]),
        state=str(one["state"]),
        cpu_percent=_single(values, "cpu.percent"),
        memory_percent=_single(values, "memory.percent"),
        fullest_percent=_number(filesystems.get(fullest)),
        fullest_mount=fullest,
        load1=_single(values, "system.load1"),
        uptime_seconds=_single(values, "system.uptime"),
        seen=_number(seen),
        tags=_words(one.get("tags", [])),
    )


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(map(str, value))
    raise TypeError(f"{value!r} is no list")


def _single(values: dict[str, dict[str, object]], metric: str) -> float | None:
    return _number(values.get(metric, {}).get(""))


def _number(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, (int, float)):
        return float(value)
    raise TypeError(f"{value!r} is not a number")
