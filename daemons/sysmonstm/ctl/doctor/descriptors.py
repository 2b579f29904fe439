"""Whether the daemons may have as many connections open as a fleet needs."""

from __future__ import annotations

from sysmonstm.ctl.doctor import asking
from sysmonstm.ctl.doctor.finding import Finding, Verdict, ok, unseen, warn
from sysmonstm.ctl.doctor.place import PROC, Daemon, Place

# Two for each connection of a collector, and one for each browser.
ENOUGH = {"aggregatord": 4096, "gatewayd": 2048}


def check(place: Place) -> list[Finding]:
    """Of those that others connect to."""
    found = [judge(one.name, limit(one), place.by_systemd) for one in place.daemons if one.name in ENOUGH and one.pid]
    return [one for one in found if one.verdict is not Verdict.OK] or found[:1]


def limit(daemon: Daemon) -> int | None:
    """How many descriptors it may have open; None if that cannot be found out."""
    for line in (asking.text_of(PROC / str(daemon.pid) / "limits") or "").splitlines():
        if line.startswith("Max open files"):
            return int(soft) if (soft := line.split()[3]).isdecimal() else 2**30
    shown = daemon.service.shown.get("LimitNOFILE", "") if daemon.service else ""
    return int(shown) if shown.isdecimal() else None


def judge(daemon: str, most: int | None, by_systemd: bool) -> Finding:
    """What is to be said of a limit."""
    if most is None:
        return unseen(f"how many files {daemon} may open could not be found out")
    if most >= ENOUGH[daemon]:
        return ok(f"{daemon} may have {most} files open")
    fix = f"systemctl edit sysmon-{daemon}: [Service] LimitNOFILE=65536" if by_systemd else "ulimit -n 65536"
    return warn(f"{daemon} may have only {most} files open: connections will wait", fix)
