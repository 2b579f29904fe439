"""The sockets that the service manager handed over, by their FileDescriptorName: sd_listen_fds_with_names(3)."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import MutableMapping
from functools import cache
from itertools import zip_longest

LISTEN_FDS_START = 3


def inherited_sockets(environ: MutableMapping[str, str]) -> dict[str, list[socket.socket]]:
    """The sockets handed over by the service manager, by their FileDescriptorName.

    Takes LISTEN_* out of `environ` and closes the descriptors on exec, so that no child believes they are its own.
    Empty if they were meant for another process.
    """
    pid, count, names = (environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"))
    environ.pop("LISTEN_PIDFDID", None)
    if pid != str(os.getpid()) or not count.isdigit():
        return {}
    found: dict[str, list[socket.socket]] = {}
    numbers = range(LISTEN_FDS_START, LISTEN_FDS_START + int(count))
    for number, name in zip_longest(numbers, names.split(":")[: int(count)], fillvalue=""):
        os.set_inheritable(int(number), False)
        if not stat.S_ISSOCK(os.fstat(int(number)).st_mode):
            continue
        sock = socket.socket(fileno=int(number))
        sock.setblocking(False)
        found.setdefault(str(name) or "unknown", []).append(sock)
    return found


@cache
def _of_this_process() -> dict[str, list[socket.socket]]:
    # Descriptors are the process's, and may be taken over once: a second socket object would close them twice.
    return inherited_sockets(os.environ)


def take(name: str) -> list[socket.socket]:
    """The sockets of this name, which are the caller's from now on; none the second time."""
    return _of_this_process().pop(name, [])


def take_rest() -> dict[str, list[socket.socket]]:
    """Those that nobody has asked for."""
    rest = dict(_of_this_process())
    _of_this_process().clear()
    return rest
