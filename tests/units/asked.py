"""Asks a daemon by HTTP over TCP or a unix socket: once, or from many threads while it comes and goes."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, TypeAlias

from tests.whole_system import eventually

PATIENCE_SECONDS = 60.0

Address: TypeAlias = tuple[str, int] | Path


class Asking(HTTPConnection):
    """A connection that is open at once, and on which nothing has been asked yet."""

    def __init__(self, address: Address) -> None:
        super().__init__("localhost", timeout=PATIENCE_SECONDS)
        if isinstance(address, Path):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(PATIENCE_SECONDS)
            self.sock.connect(str(address))
        else:
            self.sock = socket.create_connection(address, PATIENCE_SECONDS)

    def answer(self) -> tuple[int, Any]:
        """The status and the JSON of what was asked."""
        response = self.getresponse()
        return response.status, json.loads(response.read())


def ask(
    address: Address, what: str, method: str = "GET", body: bytes | None = None, host: str = "localhost"
) -> tuple[int, Any]:
    """Ask on a connection of its own: the status, and the JSON of the answer."""
    asking = Asking(address)
    try:
        asking.request(method, what, body, {"Host": host, "Connection": "close"})
        return asking.answer()
    finally:
        asking.close()


class Crowd:
    """Threads that ask again and again, each time on a new connection."""

    def __init__(self, address: Address, what: str) -> None:
        self._address = address
        self._what = what
        self._enough = threading.Event()
        self._lock = threading.Lock()
        self.answered = 0
        self.failures: list[str] = []

    def work(self) -> None:
        while not self._enough.is_set():
            try:
                status, _ = ask(self._address, self._what)
                failure = "" if status == 200 else f"answered {status}"
            except (OSError, HTTPException, ValueError) as error:
                failure = repr(error)
            with self._lock:
                self.answered += not failure
                self.failures += [failure] * bool(failure)
            time.sleep(0.01)

    def goes_on(self, more: int) -> None:
        """Wait until so many more were answered."""
        wanted = self.answered + more
        eventually(f"{more} more were answered", lambda: self.answered >= wanted)

    def stop(self) -> None:
        self._enough.set()


@contextmanager
def crowd(address: Address, what: str, threads: int = 6) -> Iterator[Crowd]:
    """A crowd that asks for as long as the block runs."""
    asking = Crowd(address, what)
    workers = [threading.Thread(target=asking.work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield asking
    finally:
        asking.stop()
        for worker in workers:
            worker.join(PATIENCE_SECONDS)
