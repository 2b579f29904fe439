"""The parts that `up` keeps running: a daemon with its inherited sockets, and a server as a context manager."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from sysmonstm.ctl.process import said_since
from sysmonstm.ctl.servers import Server

LAUNCH = Path(__file__).with_name("launch.py")
# With the servers' (see process.py), Ctrl-C takes 5 s even if all of them hang.
STOP_SECONDS = 3.25
CLIENTS_SECONDS = 1.0
POLL_SECONDS = 0.02


class ServerPart:
    """Redis or PostgreSQL; ready as soon as it has started."""

    def __init__(self, name: str, open_server: Callable[[], AbstractContextManager[Server]]) -> None:
        self.name = name
        self.ready = False
        self._open = open_server
        self._opened = ExitStack()
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """Where it answers, since it was first started."""
        assert self._server is not None
        return self._server.url

    @property
    def edition(self) -> str:
        """What it is, for people, since it was first started."""
        assert self._server is not None
        return self._server.edition

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.stop()
        self._server = self._opened.enter_context(self._open())
        self.ready = True

    def ended(self) -> int | None:
        """The exit status, None while it runs."""
        status = self._server.process.poll() if self._server else None
        if status is not None:
            self.ready = False
        return status

    def last_words(self) -> str:
        """Its log has them; it was well enough to start."""
        return f"{self.name} has ended; see its log"

    def stop(self) -> None:
        """Stop it, if it runs."""
        self.ready = False
        self._opened.close()


class DaemonPart:
    """One of our daemons, in a session of its own.

    `log` is the file for its log lines, None for our own standard error; `sockets` are those that it inherits, by name.
    """

    def __init__(
        self, name: str, environ: Mapping[str, str], log: Path | None, sockets: Mapping[str, socket.socket]
    ) -> None:
        self.name = name
        self.ready = False
        self.status = ""
        self._environ = dict(environ)
        self._log = log
        self._log_start = 0
        self._sockets = dict(sockets)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process of now; also what it will have after it has become the daemon."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it; it says by itself when it is ready."""
        descriptors = [one.fileno() for one in self._sockets.values()]
        launch = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), ",".join(map(str, descriptors))]
        daemon = [sys.executable, "-m", f"sysmonstm.{self.name}"]
        self.ready, self.status = False, ""
        with ExitStack() as opened:
            output = opened.enter_context(self._log.open("ab")) if self._log else None
            self._log_start = output.tell() if output else 0
            self._process = subprocess.Popen(
                [*launch, ":".join(self._sockets), *daemon],
                stdin=subprocess.DEVNULL,
                stdout=output or sys.stderr,
                stderr=output or sys.stderr,
                env=self._environ,
                pass_fds=descriptors,
                # Ctrl-C in the terminal is for us: we stop them in order.
                start_new_session=True,
            )

    def hear(self, fields: Mapping[str, str]) -> None:
        """Take in what it has told its service manager."""
        self.ready |= fields.get("READY") == "1"
        self.status = fields.get("STATUS", self.status)

    def ended(self) -> int | None:
        """The exit status, None while it runs."""
        status = self._process.poll() if self._process else None
        if status is not None:
            self.ready = False
        return status

    @property
    def runs(self) -> bool:
        """Whether there is a process now."""
        return self._process is not None and self._process.poll() is None

    def last_words(self) -> str:
        """The last line that it has written."""
        said = said_since(self._log, self._log_start)[-1] if self._log else "see what it said above"
        return f"{self.name} did not start: {said}"

    def ask_to_stop(self) -> None:
        """Send SIGTERM, if it runs."""
        if self._process and self.runs:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it, if it still runs."""
        if self._process and self.runs:
            self._process.kill()
            self._process.wait()


def stop_daemons(daemons: Sequence[DaemonPart]) -> None:
    """Ask them to stop, in this order, and kill those that have not in time.

    The last waits a second for the others: the aggregator acknowledges what the collector still has.
    """
    *clients, last = daemons
    deadline = time.monotonic() + STOP_SECONDS
    for daemon in clients:
        daemon.ask_to_stop()
    _wait_for_end(clients, time.monotonic() + CLIENTS_SECONDS)
    last.ask_to_stop()
    _wait_for_end(daemons, deadline)
    for daemon in daemons:
        daemon.kill()


def _wait_for_end(daemons: Sequence[DaemonPart], deadline: float) -> None:
    while time.monotonic() < deadline and any(daemon.runs for daemon in daemons):
        time.sleep(POLL_SECONDS)
