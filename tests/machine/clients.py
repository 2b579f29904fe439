"""Clients that connect from the machines while something is done to the hub."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.machine import connecting
from tests.machine.machine import PATIENCE_SECONDS, Machine

SOURCE = Path(connecting.__file__).read_text()


@dataclass
class Connections:
    """What came of them, once they have ended."""

    made: int = 0
    failures: list[str] = field(default_factory=list)
    slowest: float = 0.0


@contextmanager
def connecting_from(machines: list[Machine], address: str, pause: float) -> Iterator[Connections]:
    """While the block runs, each machine begins a connection to `address` every `pause` seconds."""
    found = Connections()
    with ExitStack() as stack:
        clients = [stack.enter_context(_client(machine, address, pause)) for machine in machines]
        yield found
        for client in clients:
            said, _ = client.communicate(timeout=PATIENCE_SECONDS)
            result = json.loads(said)
            found.made += result["made"]
            found.failures += result["failures"]
            found.slowest = max(found.slowest, result["slowest"])


@contextmanager
def _client(machine: Machine, address: str, pause: float) -> Iterator[subprocess.Popen[str]]:
    command = machine.entered("python3", "-c", SOURCE, address, str(pause))
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True) as client:
        try:
            yield client
        finally:
            client.kill()
