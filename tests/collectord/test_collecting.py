"""Samples carry what happened; one that is taken early for it has right rates, and spoils none of the others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import cast

import pytest

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.collecting import collect, take_last
from sysmonstm.collectord.deployment import reading
from sysmonstm.collectord.grid import Schedule
from sysmonstm.collectord.happening import DROPPED, MOST_WAITING, Happening, Happenings, Severity
from sysmonstm.collectord.intake import Intake
from sysmonstm.collectord.probe import Probe, Rates, Row
from sysmonstm.collectord.probes.agent import AgentState
from sysmonstm.collectord.probes.nixos import NixosProbe
from sysmonstm.collectord.sampler import Sample, Sampler
from sysmonstm.collectord.settings import CollectorSettings
from sysmonstm.collectord.sources import sources
from sysmonstm.metric import Kind, Metric, Unit
from sysmonstm.service import Service
from sysmonstm.wire import MAX_EVENT_FIELDS, MAX_EVENTS, MAX_TEXT
from tests.collectord.nixos_tree import NixosTree
from tests.shared.real_server import until

COUNTED = Metric("test.counted", Unit.COUNT_PER_SECOND, Kind.RATE, "A thousand a second")


class Counting(Probe):
    """Reads a counter that grows by a thousand a second."""

    name = "counting"
    metrics = (COUNTED,)

    def __init__(self) -> None:
        self._rates = Rates()

    def read(self, now: float) -> Iterable[Row]:
        yield COUNTED, "", self._rates.since_last(now, {"": [1000 * now]})[""][0]


class Late(NixosProbe):
    """One that answers only when it may: its disk is slow, or its thread had to wait."""

    def __init__(self, probe: Probe, may: Event) -> None:
        self._probe, self._may = probe, may

    def read(self, now: float) -> Iterable[Row]:
        self._may.wait()
        return self._probe.read(now)


class Taken:
    """In the place of an intake: keeps the samples."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def offer(self, sample: Sample) -> None:
        self.samples.append(sample)


def happening(kind: str = "unit.started", severity: Severity = Severity.INFO) -> Happening:
    return Happening(kind, severity, "something", {"unit": "a.service"}, 1)


async def test_an_early_sample_has_right_rates_and_the_grid_stays() -> None:
    schedule, sampler, taken = Schedule(2.0), Sampler([Counting()], 1.0), Taken()
    happenings = Happenings(schedule.hurry)
    await sampler.sample()
    task = asyncio.create_task(
        collect(Service(), schedule, sampler, happenings, cast(Intake, taken), lambda values: f"{values} values")
    )
    await until("the first is taken", lambda: len(taken.samples) == 1)
    happenings.add(happening())
    await asyncio.sleep(0.8)
    assert len(taken.samples) == 1, "what is not urgent waits"
    happenings.add(happening("unit.failed", Severity.WARNING))
    await until("two more are taken", lambda: len(taken.samples) == 4)
    task.cancel()
    await asyncio.wait({task})
    sampler.close()
    assert [[event.kind for event in sample.events] for sample in taken.samples] == [
        [],
        ["unit.started", "unit.failed"],
        [],
        [],
    ]
    assert [sample.values[0] for sample in taken.samples[1:]] == pytest.approx([1000.0] * 3)
    gaps = [(later.time_us - earlier.time_us) / 1e6 for earlier, later in pairwise(taken.samples)]
    # The early one is besides the grid, which goes on as it was.
    assert gaps[0] + gaps[1] == pytest.approx(2.0, abs=0.3)
    assert gaps[2] == pytest.approx(2.0, abs=0.3)


async def test_an_activation_that_a_sample_was_too_early_for_has_one_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one on the grid is an hour away."""
    tree = NixosTree(tmp_path / "root")
    tree.generation(42, tree.system("42"))
    tree.boot(tree.store / "hash-nixos-system-web1-42")
    monkeypatch.setattr(reading, "ROOT", tree.root)
    schedule, taken, may = Schedule(3600.0), Taken(), Event()
    happenings = Happenings(schedule.hurry)
    settings = CollectorSettings(spool_directory=tmp_path)
    found = sources(settings, happenings, lambda: AgentState(0, 0, 0, 0), lambda _: None)
    (probe,) = (one for one in found.probes if isinstance(one, NixosProbe))
    probe.read(0.0)
    sampler = Sampler([Late(probe, may)], 0.2)
    tree.switch(43, tree.system("43"))
    task = asyncio.create_task(collect(Service(), schedule, sampler, happenings, cast(Intake, taken), str))
    await until("one is taken without it", lambda: len(taken.samples) == 1)
    may.set()
    await until("another one is taken", lambda: len(taken.samples) == 2)
    task.cancel()
    await asyncio.wait({task})
    sampler.close()
    assert [[event.kind for event in sample.events] for sample in taken.samples] == [[], ["system.activated"]]


async def test_a_wait_of_an_hour_shows_that_it_goes_on_and_is_late_when_it_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sysmonstm.collectord.grid.LONGEST_SLEEP", 0.1)
    manager, schedule, sampler = Service(), Schedule(3600.0, 3600.0), Sampler([Counting()], 1.0)
    beats: list[float] = []
    real = manager.beat

    def beat(loop: str, every: float) -> None:
        beats.append(every)
        real(loop, every)

    monkeypatch.setattr(manager, "beat", beat)
    work = collect(manager, schedule, sampler, Happenings(), cast(Intake, Taken()), str)
    task = asyncio.create_task(work)
    await until("it beats while it waits", lambda: len(beats) > 5)
    assert max(beats) <= 3.0
    assert manager.late(time.monotonic() + 2.0) == []

    async def wedged(self: Schedule, seconds: float) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Schedule, "_sleep", wedged)
    await asyncio.sleep(0.3)
    count = len(beats)
    await asyncio.sleep(0.3)
    assert len(beats) == count
    assert manager.late(time.monotonic() + 3.1) == ["sampler"]
    task.cancel()
    await asyncio.wait({task})
    sampler.close()


async def test_a_last_sample_is_taken_for_what_happened_and_only_then() -> None:
    sampler, taken, happenings = Sampler([Counting()], 1.0), Taken(), Happenings()
    await take_last(sampler, happenings, cast(Intake, taken))
    assert taken.samples == []
    happenings.add(happening())
    await take_last(sampler, happenings, cast(Intake, taken))
    sampler.close()
    assert [len(sample.events) for sample in taken.samples] == [1]


def test_what_happens_is_sent_escaped_and_cut() -> None:
    fields = {f"field{number}": "\x1b[2J\udc80" + "x" * 600 for number in range(30)}
    event = Happening("unit.failed", Severity.CRITICAL, "a\nb" * 600, fields, 5).to_wire()
    assert (event.kind, event.severity, event.time_us) == ("unit.failed", pb.SEVERITY_CRITICAL, 5)
    assert len(event.message) == MAX_TEXT
    assert len(event.fields) == MAX_EVENT_FIELDS
    for text in (event.message, *event.fields.values()):
        assert text.isprintable()
        assert len(text) <= MAX_TEXT


def test_what_is_too_much_goes_with_the_next_sample_and_is_counted_beyond_that() -> None:
    hurried: list[float] = []
    happenings = Happenings(lambda: hurried.append(time.monotonic()))
    for _ in range(MOST_WAITING + 7):
        happenings.add(happening())
    assert hurried == []
    taken = [happenings.take(9) for _ in range(MOST_WAITING // MAX_EVENTS + 2)]
    assert [len(events) for events in taken] == [MAX_EVENTS] * (MOST_WAITING // MAX_EVENTS) + [1, 0]
    assert len(hurried) == MOST_WAITING // MAX_EVENTS
    last = taken[-2][0]
    assert (last.kind, dict(last.fields), last.time_us) == (DROPPED, {"count": "7"}, 9)
