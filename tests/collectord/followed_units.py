"""A watch of units that runs in a test, and what it says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sysmonstm.collectord.happening import Happening
from sysmonstm.collectord.units import watch as watching
from sysmonstm.collectord.units.known import Snapshot
from sysmonstm.collectord.units.watch import UnitWatch
from sysmonstm.service import Service
from tests.collectord.played_bus import PlayedSystemd, PlayedUnit, RealBus, played_systemd
from tests.shared.real_server import until


class Followed:
    """A watch that runs, and what it has said."""

    def __init__(self) -> None:
        self.said: list[Happening] = []
        self.watch = UnitWatch(self.said.append)

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return [(one.kind, one.fields.get("unit", "")) for one in self.said]

    async def says(self, kind: str, unit: str, count: int = 1) -> Happening:
        await until(f"{kind} of {unit}", lambda: self.kinds.count((kind, unit)) >= count)
        return [one for one in self.said if (one.kind, one.fields.get("unit", "")) == (kind, unit)][-1]

    async def shows(self, what: str, ask: Callable[[Snapshot], bool]) -> None:
        await until(what, lambda: self.watch.snapshot is not None and ask(self.watch.snapshot))

    async def quiet(self) -> None:
        """Whatever is signalled by now was looked at."""
        await asyncio.sleep(3 * watching.COALESCE_SECONDS)


@asynccontextmanager
async def followed() -> AsyncIterator[Followed]:
    one = Followed()
    task = asyncio.create_task(one.watch.run(Service()))
    try:
        yield one
        assert not task.done(), "it follows for ever"
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()):
            raise error


@asynccontextmanager
async def machine(bus: RealBus, **units: PlayedUnit) -> AsyncIterator[tuple[PlayedSystemd, Followed]]:
    """A systemd with these services, followed; its first list was read."""
    named = {f"{name}.service": unit for name, unit in units.items()}
    async with played_systemd(bus.address, named) as systemd, followed() as one:
        await one.shows("it is listed", lambda snapshot: True)
        yield systemd, one
