"""What systemd says of its units: how many are active and have failed, which have failed, which it restarts."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from sysmonstm.collectord.probe import Probe, Row, instance_name
from sysmonstm.collectord.units.known import Snapshot
from sysmonstm.metric import Kind, Metric, Unit

UNITS = Metric("systemd.units", Unit.COUNT, Kind.GAUGE, "Units that are active")
UNITS_FAILED = Metric("systemd.units_failed", Unit.COUNT, Kind.GAUGE, "Units that have failed and do not run again")
JOBS = Metric("systemd.jobs", Unit.COUNT, Kind.GAUGE, "Starts, stops and the like that systemd has yet to finish")
FAILED = Metric(
    "unit.failed",
    Unit.COUNT,
    Kind.FLAG,
    "Whether the unit has failed and does not run again; of units that ever have since the collector started",
    "unit",
)
RESTARTS = Metric(
    "unit.restarts",
    Unit.COUNT,
    Kind.GAUGE,
    "How often systemd restarted it by itself since it was last started by hand; of units that it ever restarted",
    "unit",
)

BUS_SOCKET = Path("/run/dbus/system_bus_socket")
# As sd_booted(3) has it.
BOOTED = Path("/run/systemd/system")


class SystemdProbe(Probe):
    """Shows what is followed elsewhere: `snapshot` is called in the probe's thread and says None while it is not known.

    `trouble` is why it is not; without a reason it is not known yet.
    """

    name = "systemd"
    metrics = (UNITS, UNITS_FAILED, JOBS, FAILED, RESTARTS)

    def __init__(self, snapshot: Callable[[], Snapshot | None], trouble: Callable[[], str]) -> None:
        self._snapshot = snapshot
        self._trouble = trouble

    def missing(self) -> str:
        """Why this machine has no systemd to follow."""
        if os.environ.get("DBUS_SYSTEM_BUS_ADDRESS"):
            return ""
        if not BOOTED.is_dir():
            return "systemd does not run this machine"
        return "" if BUS_SOCKET.exists() else "there is no system bus"

    def read(self, now: float) -> Iterable[Row]:  # noqa: ARG002 - levels need no clock
        """Levels as they were last heard; ConnectionError while systemd is away."""
        snapshot = self._snapshot()
        if snapshot is None:
            if trouble := self._trouble():
                raise ConnectionError(trouble)
            return [(metric, "", math.nan) for metric in (UNITS, UNITS_FAILED, JOBS)]
        rows: list[Row] = [(UNITS, "", snapshot.active), (UNITS_FAILED, "", snapshot.failed), (JOBS, "", snapshot.jobs)]
        rows += [(FAILED, instance_name(name), float(failed)) for name, failed in snapshot.by_failure]
        rows += [(RESTARTS, instance_name(name), count) for name, count in snapshot.by_restarts]
        return rows
