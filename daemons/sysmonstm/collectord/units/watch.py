"""Follows systemd on the bus for as long as there is one, without asking: connects, lists all once, and is told.

A list and the signals that come while it is waited for may tell of the same change. The signals tell all of it, in
order, so that the list is not heeded for units that were signalled meanwhile.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence

from sysmonstm import logs
from sysmonstm.backoff import full_jitter
from sysmonstm.collectord.happening import Happening
from sysmonstm.collectord.units import bus as systemd
from sysmonstm.collectord.units import earlier, reading
from sysmonstm.collectord.units.bus import BusError, RefusedError, SystemdBus
from sysmonstm.collectord.units.known import Listed, Snapshot, Units
from sysmonstm.collectord.units.pending import Batch, Change
from sysmonstm.collectord.units.state import Details, Moment, Sight, State, questions
from sysmonstm.service import Service

log = logs.logger(__name__)

# Signals of so many seconds are looked at together.
COALESCE_SECONDS = 0.2
# All that is asked for one batch is answered in this time, or the connection is made anew.
WORK_SECONDS = 30.0
BEAT_SECONDS = 2.5
# Systemd says when it has loaded all units anew; if it does not, all are listed when it has had so long.
RELOAD_SECONDS = 30.0
BACKOFF_BASE_SECONDS = 0.5
BACKOFF_CAP_SECONDS = 15.0


class UnitWatch:
    """Says what happens to units, and keeps what probes show of them.

    `snapshot` is None before systemd was first heard and while it is away; `trouble` says then why, if it is known.
    """

    def __init__(self, say: Callable[[Happening], None]) -> None:
        self._units = Units(say)
        self._batch = Batch()
        self._fresh = asyncio.Event()
        self._ever_listed = False
        self._reloading_until = 0.0
        self._resubscribe = False
        self._failures = 0
        self.snapshot: Snapshot | None = None
        self.trouble = ""

    async def run(self, manager: Service) -> None:
        """Follow until cancelled."""
        rng = random.Random()  # noqa: S311 - jitter, not a secret
        while True:
            try:
                manager.beat("units", WORK_SECONDS)
                async with systemd.connected(self._hear) as bus:
                    await self._follow(bus, manager)
            except BusError as error:
                self._say_away(str(error))
            wait = full_jitter(self._failures, BACKOFF_BASE_SECONDS, BACKOFF_CAP_SECONDS, rng)
            self._failures += 1
            with manager.waits("units", at_most=wait + BEAT_SECONDS):
                await asyncio.sleep(wait)

    async def _follow(self, bus: SystemdBus, manager: Service) -> None:
        """Look at what is signalled, until the connection ends, which raises BusError."""
        self._batch = Batch(everything=True)
        self._resubscribe = False
        with manager.waits("units", at_most=WORK_SECONDS + BEAT_SECONDS):
            await _in_time(bus.subscribe())
        ended = asyncio.ensure_future(bus.ended())
        ended.add_done_callback(lambda _: self._fresh.set())
        self._fresh.set()
        try:
            while True:
                await self._news(manager)
                if ended.done():
                    raise BusError(ended.result())
                with manager.waits("units", at_most=WORK_SECONDS + BEAT_SECONDS):
                    await _in_time(self._look(bus))
        finally:
            ended.cancel()

    async def _news(self, manager: Service) -> None:
        """Wait a little for more once something is signalled, and a few seconds if nothing is."""
        manager.beat("units", BEAT_SECONDS + 1.0)
        try:
            async with asyncio.timeout(BEAT_SECONDS):
                await self._fresh.wait()
        except TimeoutError:
            return
        if self._ever_listed:
            await asyncio.sleep(COALESCE_SECONDS)

    def _hear(self, news: systemd.News) -> None:
        match news:
            case systemd.Changed(name, state):
                self._batch.changed(name, state)
            case systemd.Ended(name, details):
                self._batch.ended(name, details)
            case systemd.Appeared(name):
                self._batch.appeared(name)
            case systemd.Removed(name):
                self._batch.removed(name)
            case systemd.JobAdded(number):
                self._units.job_added(number)
            case systemd.JobRemoved(number):
                self._units.job_removed(number)
            case systemd.Reloading(under_way):
                self._reloading_until = time.monotonic() + RELOAD_SECONDS if under_way else 0.0
                self._batch.forget()
            case systemd.Replaced(is_there):
                self._resubscribe = is_there
                self._batch.forget()
                if not is_there:
                    self.snapshot, self.trouble = None, "systemd has left the bus"
        self._fresh.set()

    async def _look(self, bus: SystemdBus) -> None:
        """Look at what was signalled."""
        self._fresh.clear()
        if self._resubscribe:
            await bus.subscribe_anew()
            self._resubscribe = False
        if time.monotonic() < self._reloading_until:
            return
        batch, self._batch = self._batch, Batch()
        if batch.everything:
            await self._list_all(bus)
        elif batch.changes:
            await self._look_at(bus, batch)
        self._units.say_what_is_due(now())
        self._units.give_places(now())
        self.snapshot = self._units.snapshot()

    async def _list_all(self, bus: SystemdBus) -> None:
        listed = await bus.units()
        self._units.jobs_are(one.job_id for one in listed if one.job_id)
        if self._ever_listed:
            self._units.forget_natures()
            await self._see_listed(bus, listed)
            self._units.keep_only({one.name for one in listed}, now())
        else:
            await self._list_first(bus, listed)
        if not self._ever_listed or self.trouble:
            log.info("units.followed", f"systemd says what becomes of its {len(listed)} units", units=len(listed))
        self._ever_listed, self.trouble, self._failures = True, "", 0

    async def _list_first(self, bus: SystemdBus, listed: Sequence[Listed]) -> None:
        """What was before is no news, but for what failed while this collector was down, and its own restart."""
        missed = await earlier.failures(bus, listed)
        self._units.know(one for one in listed if one.name not in missed and not self._batch.tells_of(one.name))
        for one in listed:
            if self._batch.tells_of(one.name):
                continue
            if one.name in missed:
                self._units.describe(one)
                await self._see(bus, one.name, [one.state], Moment(time.monotonic(), missed[one.name]))
            elif one.name.endswith(".service") and not one.state.at_rest:
                await self._see(bus, one.name, [one.state], now())
        if own := await earlier.restarted(bus):
            self._units.was_restarted(*own, now())

    async def _look_at(self, bus: SystemdBus, batch: Batch) -> None:
        unknown = [name for name, change in batch.changes.items() if change.is_unknown or self._is_new(name, change)]
        for one in await bus.units_named(unknown) if unknown else []:
            self._units.describe(one)
            if not batch.changes[one.name].states and not self._batch.tells_of(one.name):
                batch.changes[one.name].states.append(one.state)
        await self._put_off_restarts(bus, batch)
        # What has failed is looked at first: it matters most.
        for name, change in sorted(batch.changes.items(), key=lambda item: not item[1].failed):
            if change.states:
                await self._see(bus, name, change.states, now(), change.details)
            if change.is_gone and change.failed:
                # It was let go of because it has failed: it is not well.
                self._units.forget(name)
            elif change.is_gone:
                self._units.remove(name, now())

    async def _put_off_restarts(self, bus: SystemdBus, batch: Batch) -> None:
        """Before 254, a service that systemd restarts has failed first: what follows may not have been heard yet."""
        ends_failed = [
            name
            for name, change in batch.changes.items()
            if name.endswith(".service") and change.ends_failed and not self._units.unit(name).state.failed
        ]
        for one in await bus.units_named(ends_failed) if ends_failed else []:
            if not one.state.failed and one.name in batch.changes:
                self._batch.put_off(one.name, batch.changes.pop(one.name), one.state)
                self._fresh.set()

    def _is_new(self, name: str, change: Change) -> bool:
        return name not in self._units and not change.is_gone

    async def _see_listed(self, bus: SystemdBus, listed: Sequence[Listed]) -> None:
        for one in listed:
            self._units.describe(one)
            if not self._batch.tells_of(one.name):
                await self._see(bus, one.name, [one.state], now())

    async def _see(
        self, bus: SystemdBus, name: str, states: Sequence[State], when: Moment, signalled: Details | None = None
    ) -> None:
        path = tuple(states)
        asked = questions(self._units.unit(name), path)
        try:
            details = await reading.details(bus, name, asked)
        except RefusedError:
            # Systemd has let go of it meanwhile, and will say so.
            details = signalled or Details()
        self._units.see(name, Sight(path, details), when)

    def _say_away(self, reason: str) -> None:
        self.snapshot = None
        if not self.trouble or self._failures == 0:
            log.warning("units.away", "systemd cannot be followed on the bus; tried again and again", reason=reason)
        self.trouble = reason


def now() -> Moment:
    """This moment."""
    return Moment(time.monotonic(), time.time_ns() // 1000)


async def _in_time(work: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(WORK_SECONDS):
            await work
    except TimeoutError:
        raise BusError(f"systemd does not answer within {WORK_SECONDS:.0f} s") from None
