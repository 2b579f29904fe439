"""Becomes a daemon that inherits listening sockets the way systemd hands them over, and that ends when its parent does.

Runs as a file and imports nothing of ours: `launch.py PARENT_PID DESCRIPTORS NAMES COMMAND…`, with the descriptors
separated by commas and their names by colons.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
LISTEN_FDS_START = 3


def hand_over(descriptors: list[int]) -> None:
    """Move these to 3, 4, …, to be inherited."""
    # Out of the way first: one of them may be where another belongs, or where it belongs itself (dup2 onto itself
    # would leave it to be closed on exec).
    beyond = LISTEN_FDS_START + len(descriptors)
    copies = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, beyond) for descriptor in descriptors]
    for number, copy in enumerate(copies, LISTEN_FDS_START):
        os.dup2(copy, number, inheritable=True)


def main() -> None:
    """Become the command."""
    parent, descriptors, names, *command = sys.argv[1:]
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit(1)
    sockets = [int(part) for part in descriptors.split(",") if part]
    hand_over(sockets)
    listen = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets)), "LISTEN_FDNAMES": names}
    os.execve(command[0], command, os.environ | (listen if sockets else {}))  # noqa: S606 - that is its purpose


if __name__ == "__main__":
    main()
