"""Takes samples when they are due, with what happened since the one before, and hands them on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from sysmonstm import logs
from sysmonstm.collectord.grid import LONGEST_SLEEP, Schedule
from sysmonstm.collectord.happening import Happenings
from sysmonstm.collectord.intake import Intake
from sysmonstm.collectord.sampler import Sampler
from sysmonstm.service import Service

log = logs.logger(__name__)

# What a machine that is very busy may add to a sample, and to a sleep, in seconds.
GRACE_SECONDS = 3.0
WAKING_SECONDS = 2.0


async def collect(
    manager: Service,
    schedule: Schedule,
    sampler: Sampler,
    happenings: Happenings,
    intake: Intake,
    status: Callable[[int], str],
) -> None:
    """Take samples until cancelled; `status` is what to say of a sample of so many values."""

    def beat() -> None:
        manager.beat("sampler", LONGEST_SLEEP + WAKING_SECONDS)

    while True:
        due = await schedule.due(beat)
        if due.skipped:
            log.warning("samples.skipped", f"{due.skipped} samples were not taken: the machine was too busy or asleep")
        manager.beat("sampler", sampler.deadline + GRACE_SECONDS)
        values = await _take(sampler, happenings, intake)
        manager.status(status(values))


async def take_last(sampler: Sampler, happenings: Happenings, intake: Intake) -> None:
    """A last sample, for what has happened since the one before; none if that is nothing."""
    if happenings.wait:
        await _take(sampler, happenings, intake)


async def _take(sampler: Sampler, happenings: Happenings, intake: Intake) -> int:
    sample = await sampler.sample()
    intake.offer(replace(sample, events=happenings.take(time.time_ns() // 1000)))
    return len(sample.values)
