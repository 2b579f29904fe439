"""The whole product as a user starts it: `sysmonctl up` as a process, on ports and a state directory of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")

PATIENCE_SECONDS = 120.0
DAEMONS = ("aggregatord", "gatewayd", "alertd", "collectord")


def eventually(what: str, ask: Callable[[], T | None]) -> T:
    """The first answer that is true, or has something in it; fails, naming `what`, if there is none for two minutes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.1)
    raise AssertionError(f"in {PATIENCE_SECONDS:.0f} s it was not so: {what}")


def free_port() -> int:
    """A TCP port on loopback that nothing listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class WholeSystem:
    """A running `sysmonctl up`."""

    def __init__(self, state: Path, settings: Mapping[str, str]) -> None:
        self.state = state
        self.aggregator = f"127.0.0.1:{free_port()}"
        gateway = f"127.0.0.1:{free_port()}"
        self.url = f"http://{gateway}"
        self._environment = os.environ | {
            "AGGREGATOR_LISTEN": self.aggregator,
            "GATEWAY_LISTEN": gateway,
            "COLLECTOR_COLLECTION_INTERVAL": "0.5",
            "COLLECTOR_MACHINE_ID": "this-machine",
            **settings,
        }
        self.start()

    def start(self) -> None:
        """Start it, and wait until the dashboard's address has been printed and everything is ready."""
        self.output = self.state.with_suffix(".out")
        command = [sys.executable, "-m", "sysmonstm.ctl", "up", "--state", str(self.state)]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                command, env=self._environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )
        try:
            eventually(f"sysmonctl up has printed {self.url}", self._printed)
            eventually("/ready says so", lambda: self.get("/ready").get("ready"))
        except AssertionError:
            self.stop()
            raise

    def _printed(self) -> bool:
        said = self.output.read_text()
        assert self.process.poll() is None, f"sysmonctl up has ended: {said}"
        return self.url in said

    def get(self, path: str) -> Any:
        """What the gateway answers, also where that is a problem; {} while it cannot be reached."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as problem:
            return json.load(problem)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return {}

    def machine(self, name: str = "this-machine", *metrics: str) -> dict[str, Any] | None:
        """A machine as /api/machines has it, with the values of `metrics`; None if it has not got it."""
        found = self.get(f"/api/machines?metrics={','.join(metrics)}" if metrics else "/api/machines")
        return next((one for one in found.get("machines", []) if one["machine"] == name), None)

    def newest(self, name: str = "this-machine") -> float:
        """The time of a machine's newest sample; 0 if there is none."""
        machine = self.machine(name)
        return machine["time"] or 0.0 if machine else 0.0

    def moves_on(self, name: str = "this-machine") -> None:
        """Wait until a sample is seen that was taken after now."""
        now = time.time()
        eventually(f"a sample of {name} was taken after now and is seen", lambda: self.newest(name) > now)

    def pid(self, name: str) -> int:
        """The process of a daemon ("gatewayd") or a server ("postgres", "redis-server"), waiting until it runs."""
        return eventually(f"{name} runs", lambda: self._pid(name))

    def _pid(self, name: str) -> int | None:
        for child in psutil.Process(self.process.pid).children():
            try:
                # Redis rewrites its command line, Python's says which daemon it is.
                found = f"sysmonstm.{name}" in child.cmdline() if name in DAEMONS else child.name() == name
            except psutil.NoSuchProcess:
                continue
            if found:
                return child.pid
        return None

    def kill(self, name: str) -> None:
        """kill -9, and wait until another process has taken its place."""
        victim = self.pid(name)
        os.kill(victim, signal.SIGKILL)
        eventually(f"{name} runs again", lambda: self._pid(name) not in (None, victim))

    @contextmanager
    def without(self, server: str) -> Iterator[None]:
        """kill -9 to all processes of a server ("postgres", "redis-server"), which runs again only after the block."""
        first = psutil.Process(self.pid(server))
        # It would start the server again at once.
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            for one in (first, *first.children(recursive=True)):
                one.kill()
            eventually(f"{server} has ended", lambda: first.status() == psutil.STATUS_ZOMBIE)
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def logged(self, daemon: str) -> list[dict[str, Any]]:
        """A daemon's log lines."""
        text = (self.state / "logs" / f"{daemon}.log").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def stop(self) -> list[psutil.Process]:
        """Ctrl-C; those of its processes that are left when it has ended."""
        try:
            family = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(PATIENCE_SECONDS)
        return [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


@contextmanager
def whole_system(state: Path, **settings: str) -> Iterator[WholeSystem]:
    """Run one for the length of the block."""
    system = WholeSystem(state, settings)
    try:
        yield system
    finally:
        for left in system.stop():
            left.kill()
