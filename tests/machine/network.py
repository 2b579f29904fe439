"""The network that joins the machines: a bridge in a network namespace of its own, which is nobody else's."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from types import TracebackType

BRIDGE = "sysmon"
PATIENCE_SECONDS = 10.0


class Network:
    """It is there for as long as the block."""

    def __enter__(self) -> Network:
        # The namespace lives as long as this process, which does not outlive the tests.
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sleep", "infinity"]
        self._holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        self.inside = ("nsenter", "-t", str(self._holder.pid), "-n", "--")
        try:
            self._wait_until_apart()
            self._ip("link", "add", BRIDGE, "type", "bridge")
            self._ip("link", "set", BRIDGE, "up")
        except BaseException:  # whatever it was, nothing may be left
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def cut(self, machine: str) -> None:
        """Nothing goes to or from the machine any more, and nobody is told."""
        self._ip("link", "set", self._port(machine), "nomaster")

    def mend(self, machine: str) -> None:
        """It is as before."""
        self._ip("link", "set", self._port(machine), "master", BRIDGE)

    def _port(self, machine: str) -> str:
        # As systemd-nspawn names its end.
        return f"vb-{machine}"

    def _ip(self, *words: str) -> None:
        subprocess.run([*self.inside, "ip", *words], check=True, timeout=PATIENCE_SECONDS)

    def _wait_until_apart(self) -> None:
        ours = Path("/proc/self/ns/net").readlink()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while Path(f"/proc/{self._holder.pid}/ns/net").readlink() == ours:
            assert time.monotonic() < deadline, "a network namespace could not be made"
            time.sleep(0.01)

    def _end(self) -> None:
        self._holder.kill()
        self._holder.wait()
