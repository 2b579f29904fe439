"""Whether the journal outlives a restart of the machine, so that what went wrong before one can be read."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from sysmonstm.ctl.doctor.finding import Finding, ok, warn
from sysmonstm.ctl.doctor.place import Place

PERSISTENT = Path("/var/log/journal")
FIX = "mkdir -p /var/log/journal && systemctl restart systemd-journald && journalctl --flush"


def check(place: Place) -> list[Finding]:
    """Of services; `sysmonctl up` writes logs of its own."""
    if not place.by_systemd:
        return []
    return judge(PERSISTENT.is_dir() and any(PERSISTENT.iterdir()), has_fields=find_spec("systemd") is not None)


def judge(persistent: bool, *, has_fields: bool) -> list[Finding]:
    """What is to be said of it, and of whether the daemons can give its entries fields to match by."""
    if not persistent:
        return [warn("the journal is kept in memory only, and is gone after a restart of the machine", FIX)]
    if has_fields:
        return [ok("the journal is kept on disk, and its entries have fields: journalctl SYSMON_MACHINE=…")]
    return [ok("the journal is kept on disk; without python3-systemd its entries have no fields to match by")]
