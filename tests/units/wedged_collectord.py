"""sysmon-collectord of which a part stops for good at SIGUSR1: `python -m tests.units.wedged_collectord PART …`."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from typing import Any

from sysmonstm import logs
from sysmonstm.collectord import __main__
from sysmonstm.collectord.grid import Schedule
from sysmonstm.collectord.sampler import Sample, Sampler
from sysmonstm.collectord.spool.spool import Spool
from sysmonstm.collectord.units.watch import UnitWatch

log = logs.logger(__name__)

TOLD = threading.Event()


def wedge_sampler() -> None:
    real = Sampler.sample

    async def sample(self: Sampler) -> Sample:
        if TOLD.is_set():
            await asyncio.Event().wait()
        return await real(self)

    Sampler.sample = sample  # type: ignore[method-assign]


def wedge_schedule() -> None:
    real = Schedule._sleep

    async def sleep(self: Schedule, seconds: float) -> None:
        if TOLD.is_set():
            await asyncio.Event().wait()
        await real(self, seconds)

    Schedule._sleep = sleep  # type: ignore[method-assign]


def wedge_units() -> None:
    real = UnitWatch._news

    async def news(self: UnitWatch, manager: Any) -> None:
        if TOLD.is_set():
            await asyncio.Event().wait()
        await real(self, manager)

    UnitWatch._news = news  # type: ignore[method-assign]


def wedge_disk() -> None:
    real = Spool.append

    def append(self: Spool, *frame: Any) -> Any:
        if TOLD.is_set():
            log.warning("test.wedged", "the disk hangs")
            time.sleep(3600)
        return real(self, *frame)

    Spool.append = append  # type: ignore[method-assign, assignment]


def wedge_event_loop() -> None:
    real = Sampler.sample

    async def sample(self: Sampler) -> Sample:
        if TOLD.is_set():
            time.sleep(3600)
        return await real(self)

    Sampler.sample = sample  # type: ignore[method-assign]


PARTS = {
    "sampler": wedge_sampler,
    "schedule": wedge_schedule,
    "units": wedge_units,
    "disk": wedge_disk,
    "event loop": wedge_event_loop,
}


def main() -> None:
    signal.signal(signal.SIGUSR1, lambda *_: TOLD.set())
    PARTS[sys.argv.pop(1)]()
    __main__.main()


if __name__ == "__main__":
    main()
