"""Plays systemd to one real daemon: hands it sockets by name, hears what it notifies, signals it, starts it again.

Sockets are bound once and stay open while the daemon comes and goes, as those of a .socket unit do.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import psutil

from tests.whole_system import eventually

LAUNCH = Path(__file__).with_name("launched.py")
PATIENCE_SECONDS = 60.0
# What a test run may have in its environment and a unit has not.
NOT_PASSED = (
    "AGGREGATOR_",
    "COLLECTOR_",
    "GATEWAY_",
    "ALERTS_",
    "LOG_",
    "REDIS_",
    "TIMESCALE_",
    "LISTEN_",
    "WATCHDOG_",
)


def tcp_socket() -> socket.socket:
    """Listens on loopback as ListenStream= does; nobody accepts."""
    return socket.create_server(("127.0.0.1", 0), backlog=4096)


def unix_socket(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """A unix socket at `path`, listening if it is a stream's."""
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(str(path))
    if kind == socket.SOCK_STREAM:
        sock.listen(4096)
    return sock


@dataclass(frozen=True)
class Notification:
    """What a process said at once, and when by our monotonic clock."""

    pid: int
    time: float
    fields: Mapping[str, str]


@dataclass
class Unit:
    """What a .service and its .socket say: which daemon, its settings, its sockets by FileDescriptorName.

    `command` is what to run in place of `python -m sysmonstm.<daemon>`. Without `watchdog_seconds` there is none.
    """

    daemon: str
    settings: Mapping[str, str] = field(default_factory=dict)
    sockets: Mapping[str, list[socket.socket]] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    watchdog_seconds: float | None = None
    command: tuple[str, ...] = ()

    def argv(self) -> list[str]:
        return [*(self.command or (sys.executable, "-m", f"sysmonstm.{self.daemon}")), *self.arguments]


class PlayedSystemd:
    """Runs one unit. Use as a context manager: whatever was started ends with the block."""

    def __init__(self, directory: Path, unit: Unit) -> None:
        self.unit = unit
        self.directory = directory
        self.log_file = directory / f"{unit.daemon}.log"
        self.heard: list[Notification] = []
        self._opened = ExitStack()

    def __enter__(self) -> PlayedSystemd:
        path = self.directory / f"{self.unit.daemon}.notify"
        self._inbox = self._opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        self._inbox.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._inbox.bind(str(path))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED)}
        self._environment = kept | {"NOTIFY_SOCKET": str(path)}
        for sock in (sock for group in self.unit.sockets.values() for sock in group):
            self._opened.enter_context(sock)
        self._opened.callback(self.kill)
        self.process: subprocess.Popen[bytes] | None = None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def start(self, **settings: str) -> None:
        """Start the daemon, with more settings perhaps; it says by itself when it is ready."""
        assert self.process is None or self.process.poll() is not None, "it runs already"
        pairs = [(name, sock.fileno()) for name, group in self.unit.sockets.items() for sock in group]
        environ = self._environment | dict(self.unit.settings) | settings
        if self.unit.watchdog_seconds:
            environ["WATCHDOG_USEC"] = str(int(self.unit.watchdog_seconds * 1e6))
        # A file of its own for each start, so that none is read for another.
        self.heard.clear()
        with self.log_file.open("ab") as log:
            self._log_start = log.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LAUNCH), json.dumps(pairs), *self.unit.argv()],
                env=environ,
                pass_fds=[number for _, number in pairs],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def runs(self) -> bool:
        """Whether there is a process now."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    def hear(self, seconds: float = 0.0) -> list[Notification]:
        """Take in what has been said, for so long; all that was heard since the start."""
        deadline = time.monotonic() + seconds
        while True:
            self._inbox.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                message, control, _, _ = self._inbox.recvmsg(65536, socket.CMSG_SPACE(12))
            except TimeoutError:
                return self.heard
            pid = int.from_bytes(control[0][2][:4], sys.byteorder)
            fields = dict(line.partition("=")[::2] for line in message.decode().splitlines())
            self.heard.append(Notification(pid, time.monotonic(), fields))

    def waits_for(self, name: str, value: str | None = None, *, after: float = 0.0) -> Notification:
        """The first notification since `after` (monotonic) that says `name`, or says that it is `value`."""

        def found() -> Notification | None:
            self.hear(0.05)
            assert self.process, "nothing was started"
            wanted = (one for one in self.heard if one.time > after and _says(one, name, value))
            if (one := next(wanted, None)) or self.process.poll() is None:
                return one
            raise AssertionError(f"it has ended with {self.process.poll()}: {self.log()}")

        return eventually(f"{self.unit.daemon} says {name}={'…' if value is None else value}", found)

    def is_ready(self) -> None:
        """Wait for READY=1 of this start."""
        self.waits_for("READY", "1")

    def silent_about(self, name: str, seconds: float) -> bool:
        """Whether it does not say `name` from now on for so long."""
        self.hear()
        now = time.monotonic()
        return not any(name in one.fields and one.time > now for one in self.hear(seconds))

    @property
    def status(self) -> str:
        """The newest status."""
        said = [one.fields["STATUS"] for one in self.hear(0.01) if "STATUS" in one.fields]
        return said[-1] if said else ""

    def says(self, text: str) -> None:
        """Wait until the newest status has this text."""
        eventually(f"the status of {self.unit.daemon} says {text!r}", lambda: text in self.status)

    def signal(self, number: signal.Signals) -> float:
        """Send it; the monotonic time right before."""
        self.hear()
        now = time.monotonic()
        os.kill(self.pid, number)
        return now

    def reload(self) -> Notification:
        """SIGHUP, and wait until it is over; what ended it."""
        asked = self.signal(signal.SIGHUP)
        self.waits_for("RELOADING", "1", after=asked)
        return self.waits_for("READY", "1", after=asked)

    def stop(self) -> int:
        """SIGTERM, and wait; the exit status."""
        self.signal(signal.SIGTERM)
        return self.ends()

    def ends(self) -> int:
        """Wait for its end; the exit status."""
        assert self.process
        status = self.process.wait(PATIENCE_SECONDS)
        self.hear()
        return status

    def kill(self) -> None:
        """End it, whatever it is at."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        """What it has written since it was last started."""
        with self.log_file.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def events(self, name: str | None = None) -> list[dict[str, object]]:
        """Its log lines of this start, of one event perhaps, as JSON objects; what is no JSON is left out."""
        lines = [line.partition(">")[2] if line.startswith("<") else line for line in self.log().splitlines()]
        found = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return [one for one in found if name is None or one["event"] == name]

    def logs(self, event: str, count: int = 1) -> None:
        """Wait until it has logged an event so often."""
        eventually(f"{self.unit.daemon} logs {event}", lambda: len(self.events(event)) >= count)

    def descriptors(self) -> dict[int, str]:
        """Its open descriptors and what they are: "socket:[123]", "/dev/null"."""
        found = {}
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            try:
                found[int(link.name)] = str(link.readlink())
            except FileNotFoundError:
                # It was closed just now.
                continue
        return found

    def listens_itself(self) -> list[str]:
        """The TCP addresses on which it listens by sockets that it was not handed."""
        handed_over = {os.fstat(sock.fileno()).st_ino for group in self.unit.sockets.values() for sock in group}
        own = {
            int(target.removeprefix("socket:[").removesuffix("]"))
            for target in self.descriptors().values()
            if target.startswith("socket:[")
        } - handed_over
        return [address for inode, address in _listening_tcp() if inode in own]

    def children(self) -> list[psutil.Process]:
        """Its child processes now."""
        return psutil.Process(self.pid).children(recursive=True)


def _says(one: Notification, name: str, value: str | None) -> bool:
    return name in one.fields if value is None else one.fields.get(name) == value


def _listening_tcp() -> Iterator[tuple[int, str]]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A":
                yield int(words[9]), words[1]


@contextmanager
def played(directory: Path, unit: Unit) -> Iterator[PlayedSystemd]:
    """A unit that has been started, and is ready."""
    with PlayedSystemd(directory, unit) as systemd:
        systemd.start()
        systemd.is_ready()
        yield systemd


def replaced_after(systemd: PlayedSystemd, wedge: Callable[[], object], watchdog_seconds: float) -> float:
    """Seconds from `wedge` to when systemd would have ended the daemon: WatchdogSec after its last WATCHDOG=1."""
    systemd.waits_for("WATCHDOG", "1")
    wedge()
    began = time.monotonic()
    while True:
        pings = [one.time for one in systemd.hear(0.2) if "WATCHDOG" in one.fields]
        if time.monotonic() - pings[-1] > watchdog_seconds:
            return pings[-1] + watchdog_seconds - began
        assert time.monotonic() - began < PATIENCE_SECONDS, "the watchdog is told for ever"


def at_rest(systemd: PlayedSystemd) -> bool:
    """The same number of descriptors for longer than a look at gRPC, or a connection to a store, takes."""
    before = len(systemd.descriptors())
    for _ in range(10):
        time.sleep(0.1)
        if len(systemd.descriptors()) != before:
            return False
    return True
