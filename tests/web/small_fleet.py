"""A few machines as real collectors report them, each with a number of its own that a test sets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.whole_system import PATIENCE_SECONDS, WholeSystem, eventually, whole_system

QUEUE = "shop.queue"
"""A gauge that every machine but the hub's own reports."""
TAGS = {"web1": "web,prod", "web2": "web,staging", "db1": "db,prod"}
RULES = f"""
[rules.queue-long]
metric = "{QUEUE}"
threshold = 60
clear = 50
severity = "critical"
message = "the queue of {{machine}} has {{value}} orders"
resolved = "the queue of {{machine}} is short again"

[rules.queue-there]
metric = "{QUEUE}"
machine = "web1"
threshold = -1
for = "2h"
severity = "info"
"""


class SmallFleet:
    """The system, the file of its alert rules, and the machines by their names."""

    def __init__(self, system: WholeSystem, rules: Path, sockets: dict[str, Path]) -> None:
        self.system = system
        self.rules = rules
        self._sockets = sockets
        self._collectors: dict[str, subprocess.Popen[bytes]] = {}

    def set(self, **values: float) -> None:
        """Have machines report these; wait until the gateway knows."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            for name, value in values.items():
                sender.sendto(f"{QUEUE}:{value}|g".encode(), str(self._sockets[name]))
        for name, value in values.items():
            eventually(f"{name} reports {value}", lambda n=name, v=value: self.value(n) == v)  # type: ignore[misc]

    def value(self, name: str) -> float | None:
        machine = self.system.machine(name, QUEUE)
        values = (machine or {}).get("values", {}).get(QUEUE, {})
        return None if values.get("") is None else round(values[""], 3)

    def start(self, name: str) -> None:
        """Start a machine's collector."""
        directory = self.system.state.parent
        environment = os.environ | {
            "COLLECTOR_MACHINE_ID": name,
            "COLLECTOR_TAGS": TAGS[name],
            "COLLECTOR_AGGREGATOR_URL": self.system.aggregator,
            "COLLECTOR_COLLECTION_INTERVAL": "0.5",
            "COLLECTOR_SPOOL_DIRECTORY": str(directory / f"spool-{name}"),
            "COLLECTOR_METRICS_SOCKET": str(self._sockets[name]),
        }
        with (directory / f"{name}.log").open("w") as output:
            self._collectors[name] = subprocess.Popen(
                [sys.executable, "-m", "sysmonstm.collectord"], env=environment, stdout=output, stderr=output
            )
        eventually(f"{name} listens for numbers", self._sockets[name].exists)

    def stop(self) -> None:
        for collector in self._collectors.values():
            collector.send_signal(signal.SIGTERM)
        for collector in self._collectors.values():
            collector.wait(PATIENCE_SECONDS)


@contextmanager
def small_fleet(directory: Path) -> Iterator[SmallFleet]:
    """Run one for the length of the block, in a directory of its own whose path is short enough for sockets."""
    rules = directory / "rules.toml"
    rules.write_text(RULES)
    with ExitStack() as stack:
        system = stack.enter_context(whole_system(directory / "system", ALERTS_RULES_FILE=str(rules)))
        fleet = SmallFleet(system, rules, {name: directory / f"{name}.sock" for name in TAGS})
        stack.callback(fleet.stop)
        for name in TAGS:
            fleet.start(name)
        yield fleet
