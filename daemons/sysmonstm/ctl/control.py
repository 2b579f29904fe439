"""Asks sysmon-alertd by its control interface: HTTP on a unix socket. What goes wrong is one line with a hint."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from sysmonstm.config import UserError
from sysmonstm.listen import parse_path

DEFAULT_SOCKET = Path("/run/sysmon/alertd.sock")
# Longer than a test notification takes.
TIMEOUT_SECONDS = 30.0
LARGEST_ANSWER_BYTES = 64 * 1024 * 1024

Json = dict[str, object]


def control_socket(chosen: Path | None, state: Path, environ: Mapping[str, str]) -> Path:
    """Where alertd's control interface is: in `chosen` (--state), else at $SYSMON_ALERTD, else the host's own.

    Where the host has none, it is that of a `sysmonctl up` with its data in `state`.
    """
    of_up = state / "run" / "alertd.sock"
    if chosen is not None:
        return of_up
    if given := environ.get("SYSMON_ALERTD"):
        try:
            return parse_path(given if given.startswith("unix:") else f"unix:{given}")
        except ValueError as error:
            raise UserError(f"SYSMON_ALERTD: {error} (given: {given!r})") from None
    return of_up if of_up.exists() and not DEFAULT_SOCKET.exists() else DEFAULT_SOCKET


class SilentError(UserError):
    """It took the connection, and said nothing in time."""


class _UnixConnection(HTTPConnection):
    """HTTP to whoever listens on a unix socket."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        """Open the connection."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask(path: Path, method: str, what: str, body: bytes | None = None, *, seconds: float = TIMEOUT_SECONDS) -> Json:
    """What alertd answers; UserError if it does not within `seconds`, or refuses."""
    connection = _UnixConnection(path, seconds)
    try:
        connection.request(method, what, body)
        response = connection.getresponse()
        answer = json.loads(response.read(LARGEST_ANSWER_BYTES))
        if response.status == 200 and isinstance(answer, dict):
            return answer
        raise UserError(f"sysmon-alertd refuses: {answer['detail']}")
    except PermissionError:
        raise UserError(
            f"you may not open {path}; use sudo, or join its group (usermod -aG sysmon YOU) and log in again"
        ) from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise UserError(
            f"nobody listens at {path}; start sysmon-alertd.socket or `sysmonctl up`, "
            "or say in SYSMON_ALERTD or by --state where else"
        ) from None
    except TimeoutError:
        raise SilentError(f"sysmon-alertd at {path} did not answer within {seconds:g} s") from None
    except OSError as error:
        raise UserError(f"sysmon-alertd at {path} cannot be asked: {error.strerror or error}") from None
    except (HTTPException, ValueError, KeyError, TypeError, RecursionError):
        raise UserError(f"what answers at {path} is no sysmon-alertd") from None
    finally:
        connection.close()
