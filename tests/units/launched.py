"""Becomes a command with descriptors 3, 4, … and LISTEN_*, as systemd executes it.

`launched.py [["name", fd], …] COMMAND…`. LISTEN_PID is left as it is where the environment has one already.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys


def main() -> None:
    pairs, command = json.loads(sys.argv[1]), sys.argv[2:]
    # Out of the way first: one of them may be where another belongs.
    copies = [fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3 + len(pairs)) for _, number in pairs]
    for number, copy in enumerate(copies, start=3):
        os.dup2(copy, number, inheritable=True)
    os.closerange(3 + len(pairs), 1024)
    listen = {
        "LISTEN_PID": os.environ.get("LISTEN_PID", str(os.getpid())),
        "LISTEN_FDS": str(len(pairs)),
        "LISTEN_FDNAMES": ":".join(name for name, _ in pairs),
    }
    os.execve(command[0], command, os.environ | (listen if pairs else {}))


if __name__ == "__main__":
    main()
