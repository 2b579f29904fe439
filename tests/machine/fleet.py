"""The fleet that the tests share: a hub with its databases and two watched machines, installed as people do it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tests.machine import trees, wedge
from tests.machine.installing import DATABASE, DATABASES, install_hub, install_watched
from tests.machine.machine import Machine, eventually
from tests.machine.network import Network

HUB = ("hub", "10.90.0.1")
HUB_LISTEN = f"{HUB[1]}:50051"
HUB_SOCKET = "/run/sysmon/aggregatord.sock"
WATCHED = (("web1", "10.90.0.11"), ("web2", "10.90.0.12"))
DAEMONS = ("aggregatord", "gatewayd", "alertd", "collectord")
INTERVAL_SECONDS = 0.5

_SITE_PACKAGES = f"{trees.ENVIRONMENT}/lib/python3.13/site-packages"
_ACCOUNTS = """
SELECT m.name AS machine, encode(s.stream, 'hex') AS stream, s.durable_seq AS settled,
    (SELECT count(*) FROM frames f WHERE f.stream = s.id) AS frames,
    (SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM gaps g WHERE g.stream = s.id) AS lost,
    (SELECT count(*) FROM rejects r WHERE r.stream = s.id) AS rejected
FROM streams s JOIN machines m ON m.id = s.machine ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the frames of a stream: each number up to `settled` is in exactly one of the others."""

    machine: str
    stream: str
    settled: int
    frames: int
    lost: int
    rejected: int

    @property
    def is_whole(self) -> bool:
        """Whether every frame that was sent is stored once."""
        return self.frames == self.settled and not self.lost and not self.rejected


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket, which reaches into a machine without its network."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Fleet:
    """Booted and installed."""

    def __init__(self, hub: Machine, watched: list[Machine], network: Network, wheel: Path) -> None:
        self.hub = hub
        self.web1, self.web2 = watched
        self.machines = [hub, *watched]
        self.network = network
        self.wheel = wheel

    def get(self, path: str, timeout: float = 30) -> Any:
        """What the gateway answers, as JSON."""
        connection = UnixConnection(self.hub.path("/run/sysmon/gatewayd.sock"), timeout)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return json.load(connection.getresponse())

    def newest(self, machine: str) -> float:
        """The time of a machine's newest sample; 0 if there is none."""
        found = {one["machine"]: one["time"] or 0.0 for one in self.get("/api/machines")["machines"]}
        return found.get(machine, 0.0)

    def value(self, machine: str, metric: str, instance: str = "") -> float | None:
        """The newest value of a series; None if the machine has not got it."""
        for one in self.get(f"/api/machines/{machine}/metrics").get("metrics", []):
            for value in one["values"] if one["metric"] == metric else []:
                if value["instance"] == instance:
                    return None if value["value"] is None else float(value["value"])
        return None

    def events(self, kind: str, machine: str, since: float) -> list[dict[str, Any]]:
        """The events of a kind that a machine has had since, the newest first."""
        found = self.get(f"/api/events?machine={machine}")["events"]
        return [one for one in found if one["kind"] == kind and one["time"] >= since]

    def moves_on(self, *machines: Machine) -> None:
        """Wait until a sample of each (of all, unless told otherwise) is shown that was taken after now."""
        now = time.time()
        for machine in machines or self.machines:
            eventually(f"a sample of {machine.name} is shown", partial(self._is_newer, machine.name, now))

    def _is_newer(self, machine: str, than: float) -> bool:
        return self.newest(machine) > than

    def versions(self) -> dict[str, str]:
        """What each machine's collector says that it is."""
        return {one["machine"]: one["agent_version"] for one in self.get("/api/machines")["machines"]}

    @property
    def version(self) -> str:
        """What was installed first."""
        return self.wheel.name.split("-")[1]

    def sql(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query of the hub's database."""
        text = f"SELECT coalesce(json_agg(rows), '[]') FROM ({query}) rows"
        command = ["runuser", "-u", "postgres", "--", "psql", "--no-psqlrc", "-At", "-d", DATABASE, "-c", text]
        rows: list[dict[str, Any]] = json.loads(self.hub.run(*command))
        return rows

    def accounts(self) -> list[Account]:
        """Of every stream that the database knows."""
        return [Account(**row) for row in self.sql(_ACCOUNTS)]

    def wait_until_stored(self) -> None:
        """Wait until each machine has a stored frame that was taken after now."""
        now = time.time()
        eventually("each machine's samples are stored", lambda: self._is_stored_until(now))

    def _is_stored_until(self, time_: float) -> bool:
        rows = self.sql(
            "SELECT m.name, extract(epoch FROM max(f.time)) AS newest FROM frames f "
            "JOIN machines m ON m.id = f.machine GROUP BY m.name"
        )
        newest = {row["name"]: row["newest"] for row in rows}
        return all(newest.get(machine.name, 0) > time_ for machine in self.machines)

    def assert_nothing_is_lost(self) -> None:
        """Wait until all that was sampled before now is stored, and see that nothing is missing in between."""
        self.wait_until_stored()
        accounts = self.accounts()
        assert [one for one in accounts if not one.is_whole] == []
        assert {one.machine for one in accounts} >= {one.name for one in self.machines}

    def longest_pause(self, machine: Machine, since: float) -> float:
        """The most seconds between two samples of a machine, of those that were taken since."""
        pauses = f"""SELECT f.time - lag(f.time) OVER (ORDER BY f.time) AS pause FROM frames f
            JOIN machines m ON m.id = f.machine WHERE m.name = '{machine.name}' AND f.time >= to_timestamp({since})"""
        (row,) = self.sql(f"SELECT extract(epoch FROM max(pause)) AS pause FROM ({pauses}) pauses")
        return float(row["pause"])


@contextlib.contextmanager
def fleet(directory: Path) -> Iterator[Fleet]:
    """Boot one and install it; when the block ends, nothing of it is left running or mounted."""
    wheel = trees.build_wheel(directory / "build")
    layers = trees.installed(directory / "project", wheel)
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(Network())
        hub, *watched = (Machine(name, at, layers, directory / name, network) for name, at in (HUB, *WATCHED))
        for machine in watched:
            machine.mask(*DATABASES)
        # Where systemd's own library for Python is found, the daemons use it for the journal; web2 has it not.
        for machine in (hub, watched[0]):
            machine.write(f"{_SITE_PACKAGES}/systemd.pth", "/usr/lib/python3/dist-packages\n")
        hub.write(f"{_SITE_PACKAGES}/sysmon_wedge.py", Path(wedge.__file__).read_text())
        hub.write(f"{_SITE_PACKAGES}/sysmon_wedge.pth", "import sysmon_wedge\n")
        for machine in (hub, *watched):
            stack.callback(machine.stop)
            machine.start()
        for machine in (hub, *watched):
            machine.wait_until_booted()
        install_hub(hub, INTERVAL_SECONDS)
        for machine in watched:
            install_watched(machine, hub, INTERVAL_SECONDS)
        yield Fleet(hub, watched, network, wheel)
