"""Whether all daemons that belong here run, by systemd or by `sysmonctl up`."""

from __future__ import annotations

import time

from sysmonstm.ctl.doctor import units
from sysmonstm.ctl.doctor.finding import Finding, Verdict, fail, ok
from sysmonstm.ctl.doctor.place import Daemon, Place

# The others sample and watch whether or not somebody connects.
LAZY = ("aggregatord", "gatewayd")
INSTALL = (
    "sysmonctl install --role hub --now",
    "sysmonctl install --role machine --hub ADDRESS --now",
    "sysmonctl up",
)


def check(place: Place) -> list[Finding]:
    """One finding for each daemon that has something amiss, or one for all."""
    if not place.daemons:
        seen = "" if place.root else ", as far as this account may see"
        return [fail(f"nothing of sysmonstm is installed or runs here{seen}", *INSTALL)]
    if not place.by_systemd:
        return judge_up({one.name: one.pid for one in place.daemons}, str(place.state))
    now = time.monotonic()
    found = [
        finding
        for one in place.daemons
        if one.service
        for finding in units.judge(one.service, now, by_socket=_starts_by_socket(one))
    ]
    amiss = [one for one in found if one.verdict is not Verdict.OK]
    return amiss or [ok(f"running, without a restart by systemd: {', '.join(one.name for one in place.daemons)}")]


def _starts_by_socket(daemon: Daemon) -> bool:
    """Whether it has nothing to do before somebody connects, and systemd listens for that."""
    return daemon.name in LAZY and daemon.socket is not None and daemon.socket.state == "active"


def judge_up(pids: dict[str, int], state: str) -> list[Finding]:
    """What is to be said of the daemons of a `sysmonctl up`, by their pids, 0 for one that does not run."""
    missing = [fail(f"{name} does not run", f"tail {state}/logs/{name}.log") for name, pid in pids.items() if not pid]
    return missing or [ok(f"{len(pids)} daemons run, by `sysmonctl up` with its data in {state}")]
