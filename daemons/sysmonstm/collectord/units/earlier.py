"""What happened while this collector did not run: what failed, and whether systemd had to restart it."""

from __future__ import annotations

import os
from collections.abc import Iterable

from sysmonstm.collectord.units.bus import UNIT, RefusedError, SystemdBus
from sysmonstm.collectord.units.known import Listed

_SERVICE = "org.freedesktop.systemd1.Service"
# One that did not end as it should, so that systemd restarted it, may have hung until its watchdog ended it, or had
# not kept its last samples yet. What failed in these last microseconds is said again: rather twice than never.
UNSAID_US = 30_000_000


async def failures(bus: SystemdBus, listed: Iterable[Listed]) -> dict[str, int]:
    """When those units failed, in microseconds since 1970, that have failed since this collector ran before.

    Empty where systemd does not run this collector, so that nobody knows what it has said already.
    """
    failed = [one.name for one in listed if one.state.failed]
    if not failed:
        return {}
    before = await _last_end(bus)
    if before is None:
        return {}
    times = {name: await _failed_at(bus, name) for name in failed}
    return {name: time for name, time in times.items() if time > before}


async def _failed_at(bus: SystemdBus, name: str) -> int:
    """0 if systemd does not say: the unit is gone again, say. What has failed is in the metrics all the same."""
    try:
        return _whole(await bus.property(name, UNIT, "StateChangeTimestamp"))
    except RefusedError:
        return 0


async def _last_end(bus: SystemdBus) -> int | None:
    """Until when the run before this one has said what failed, 0 if this is the first since the machine started.

    None if that is not known.
    """
    try:
        unit = await _own_unit(bus)
        if not unit:
            return None
        ended = _whole(await bus.property(unit, UNIT, "ActiveExitTimestamp"))
        # Zero again once somebody has stopped or started it.
        was_restarted = bool(await bus.property(unit, _SERVICE, "NRestarts"))
    except RefusedError:
        return None
    return max(0, ended - UNSAID_US) if was_restarted else ended


async def restarted(bus: SystemdBus) -> tuple[str, int] | None:
    """The service that this collector is and its restarts, if systemd has started it this time by itself."""
    try:
        unit = await _own_unit(bus)
        # Zero again once somebody has stopped or started it.
        restarts = _whole(await bus.property(unit, _SERVICE, "NRestarts")) if unit else 0
    except RefusedError:
        return None
    return (unit, restarts) if restarts else None


async def _own_unit(bus: SystemdBus) -> str:
    unit = await bus.unit_of(os.getpid())
    is_own = unit.endswith(".service") and await bus.property(unit, _SERVICE, "MainPID") == os.getpid()
    return unit if is_own else ""


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
