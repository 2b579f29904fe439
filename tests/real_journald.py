"""A real systemd-journald of a test's own in a mount namespace, and processes whose standard error is its journal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE_SECONDS = 30.0
JOURNALD = next(
    (one for one in ("/usr/lib/systemd/systemd-journald", "/lib/systemd/systemd-journald") if Path(one).exists()), ""
)

# Everything that journald would touch lies under /run and /var/log/journal, and those are hidden here.
_NAMESPACE = """
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/journald.conf.d /run/systemd/journal /run/log/journal
mkdir -p /var/log/journal
mount -t tmpfs none /var/log/journal
printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=no\\nForwardToSyslog=no\\nRateLimitIntervalSec=0\\n' \
    > /run/systemd/journald.conf.d/test.conf
echo ready
exec sleep infinity
"""

# What systemd does for a service whose StandardError= is the journal, then the service's program.
_SERVICE = """
import os, socket, sys
stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
stream.connect("/run/systemd/journal/stdout")
stream.send(f"{os.environ['IDENTIFIER']}\\n{os.environ['UNIT']}\\n6\\n1\\n0\\n0\\n0\\n".encode())
os.dup2(stream.fileno(), 2)
found = os.fstat(2)
os.environ["JOURNAL_STREAM"] = f"{found.st_dev}:{found.st_ino}"
os.execv(sys.argv[1], sys.argv[1:])
"""


class Journald:
    """Runs within `running()`. Its journal is in memory and begins empty."""

    def __init__(self, namespace: int) -> None:
        self._namespace = namespace
        self._process: subprocess.Popen[bytes] | None = None

    def inside(self, *command: str) -> list[str]:
        """The command as it is run within the namespace, in the directory of the caller."""
        return ["nsenter", f"--target={self._namespace}", "--mount", f"--wd={Path.cwd()}", *command]

    def start(self) -> None:
        """Start it, again perhaps: it keeps its journal, and gets new sockets."""
        self._process = subprocess.Popen(self.inside(JOURNALD), stderr=subprocess.DEVNULL)
        self._until_answering()

    def kill(self) -> None:
        """End it at once; its sockets stay and nobody listens to them."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def remove_sockets(self) -> None:
        """As while systemd makes them anew."""
        subprocess.run(self.inside("sh", "-c", "rm -r /run/systemd/journal/*"), check=True)

    def freeze(self) -> None:
        """It hangs."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def service(self, code: str, *arguments: str, unit: str = "web.service", identifier: str = "web") -> list[str]:
        """The command that runs Python code as a service of a unit, whose standard error is the journal."""
        program = [sys.executable, "-c", textwrap.dedent(code), *arguments]
        environment = [f"UNIT={unit}", f"IDENTIFIER={identifier}"]
        return self.inside("env", *environment, sys.executable, "-c", _SERVICE, *program)

    def run(self, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python code so until it ends."""
        return subprocess.run(
            self.service(code, *arguments), capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
        )

    def entries(self, *matches: str, more: Sequence[str] = ()) -> list[dict[str, object]]:
        """The entries that match, oldest first; after all that was sent has been taken in."""
        subprocess.run(self.inside("journalctl", "--sync"), check=True, timeout=PATIENCE_SECONDS)
        command = self.inside("journalctl", "--output=json", "--all", "--no-pager", *more, *matches)
        result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
        return [json.loads(line) for line in result.stdout.splitlines()]

    def _until_answering(self) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while subprocess.run(self.inside("journalctl", "--sync"), check=False, capture_output=True).returncode:
            assert time.monotonic() < end, "journald does not start"
            time.sleep(0.05)


@contextmanager
def running() -> Iterator[Journald]:
    """A journald that runs; a skip with a reason where none can."""
    if not JOURNALD or not shutil.which("journalctl"):
        pytest.skip("systemd-journald is not installed")
    if os.geteuid() != 0:
        pytest.skip("only root may give a journald a namespace of its own")
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation=private", "sh", "-c", _NAMESPACE],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert holder.stdout and holder.stderr
        if holder.stdout.readline() != b"ready\n":
            pytest.skip(f"no mount namespace can be made here: {holder.stderr.read().decode().strip()}")
        journald = Journald(holder.pid)
        journald.start()
        try:
            yield journald
        finally:
            journald.thaw()
            journald.kill()
    finally:
        holder.kill()
        holder.communicate()
