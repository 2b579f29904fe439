"""What failed while this collector did not run: since it was stopped, or since the machine started."""

from __future__ import annotations

import os
from collections.abc import Iterable

from sysmonstm.collectord.units.bus import UNIT, RefusedError, SystemdBus
from sysmonstm.collectord.units.known import Listed

_SERVICE = "org.freedesktop.systemd1.Service"


async def failures(bus: SystemdBus, listed: Iterable[Listed]) -> dict[str, int]:
    """When those units failed, in microseconds since 1970, that have failed since this collector ran before.

    Empty where systemd does not run this collector, so that nobody knows what it has said already.
    """
    failed = [one.name for one in listed if one.state.failed]
    if not failed:
        return {}
    try:
        before = await _last_end(bus)
        times = {name: _whole(await bus.property(name, UNIT, "StateChangeTimestamp")) for name in failed}
    except RefusedError:
        # A unit that is gone again, or a systemd that does not say: what has failed is in the metrics all the same.
        return {}
    return {} if before is None else {name: time for name, time in times.items() if time > before}


async def _last_end(bus: SystemdBus) -> int | None:
    """When the run before this one ended, 0 if this is the first since the machine started; None if not known."""
    unit = await bus.unit_of(os.getpid())
    if not unit.endswith(".service") or await bus.property(unit, _SERVICE, "MainPID") != os.getpid():
        return None
    return _whole(await bus.property(unit, UNIT, "ActiveExitTimestamp"))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
