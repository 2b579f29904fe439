"""The service manager's side of sd_notify(3): a socket on which daemons say READY=1 and STATUS=…, and who said it."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sysmonstm.config import UserError

MESSAGE_BYTES = 4096
# struct ucred: pid, uid, gid.
CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Notification:
    """What one process said."""

    pid: int
    fields: dict[str, str]


@contextmanager
def notify_socket(path: Path) -> Iterator[socket.socket]:
    """A socket for NOTIFY_SOCKET at `path`, for this user alone."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        try:
            listener.bind(str(path))
        except OSError as error:
            raise UserError(f"{path} cannot be a unix socket: {error}; choose another --state directory") from None
        path.chmod(0o600)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


def received(listener: socket.socket) -> Iterator[Notification]:
    """What was said since the last call; does not wait."""
    while True:
        try:
            data, ancillary, _, _ = listener.recvmsg(MESSAGE_BYTES, socket.CMSG_SPACE(CREDENTIALS.size))
        except BlockingIOError:
            return
        for level, kind, raw in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                pid, uid, _ = CREDENTIALS.unpack(raw)
                if uid == os.geteuid():
                    yield Notification(pid, _fields(data.decode(errors="replace")))


def _fields(text: str) -> dict[str, str]:
    return {name: value for name, equals, value in (line.partition("=") for line in text.splitlines()) if equals}
