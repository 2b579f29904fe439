"""A sample has every probe's values, and a probe that fails or hangs costs only its own."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from sysmonstm.collectord.probe import Probe, Row
from sysmonstm.collectord.probes import CATALOGUE, probes_of_this_machine
from sysmonstm.collectord.probes.agent import AgentProbe, AgentState
from sysmonstm.collectord.sampler import Sample, Sampler
from sysmonstm.metric import Kind, Metric, Unit
from sysmonstm.wire import layout_from_wire, layout_to_wire

LEVEL = Metric("test.level", Unit.COUNT, Kind.GAUGE, "A level")
EACH = Metric("test.each", Unit.COUNT, Kind.GAUGE, "A level of each", "which")
OTHER = Metric("other.level", Unit.COUNT, Kind.GAUGE, "Another probe's level")


class Level(Probe):
    """Yields what it is told to."""

    name = "level"
    metrics = (LEVEL, EACH)

    def __init__(self) -> None:
        self.rows: list[Row] = [(LEVEL, "", 1.0), (EACH, "a", 2.0), (EACH, "b", 3.0)]
        self.error: Exception | None = None
        self.open = threading.Event()
        self.open.set()
        self.calls = 0
        self.left = threading.Event()

    def read(self, now: float) -> Iterable[Row]:
        self.calls += 1
        self.open.wait()
        rows = self.rows
        self.left.set()
        if self.error:
            raise self.error
        return rows


class Other(Probe):
    """Always well."""

    name = "other"
    metrics = (OTHER,)

    def __init__(self) -> None:
        self.calls = 0

    def read(self, now: float) -> Iterable[Row]:
        self.calls += 1
        return [(OTHER, "", 9.0)]


def named(sample: Sample) -> dict[tuple[str, str], float]:
    pairs = zip(sample.layout.series, sample.values, strict=True)
    return {(one.metric.name, one.instance): value for one, value in pairs}


@contextmanager
def sampling(*probes: Probe, deadline: float = 30.0) -> Iterator[Sampler]:
    sampler = Sampler(probes, deadline)
    yield sampler
    sampler.close()


async def test_a_sample_has_the_values_of_all_probes_and_how_each_fared() -> None:
    with sampling(Level(), Other()) as sampler:
        sample = await sampler.sample()
    values = named(sample)
    durations = [values.pop(("probe.duration", name)) for name in ("level", "other")]
    assert all(0 <= seconds < 30 for seconds in durations)
    assert values == {
        ("test.level", ""): 1.0,
        ("test.each", "a"): 2.0,
        ("test.each", "b"): 3.0,
        ("other.level", ""): 9.0,
        ("probe.success", "level"): 1.0,
        ("probe.success", "other"): 1.0,
    }
    assert abs(sample.time_us / 1e6 - time.time()) < 60


async def test_the_same_series_share_one_layout_object() -> None:
    with sampling(Level(), Other()) as sampler:
        first, second = await sampler.sample(), await sampler.sample()
    assert first.layout is second.layout


async def test_a_failing_probe_becomes_nan_keeps_the_layout_and_recovers(caplog: pytest.LogCaptureFixture) -> None:
    probe = Level()
    caplog.set_level("INFO")
    with sampling(probe, Other()) as sampler:
        well = await sampler.sample()
        probe.error = ZeroDivisionError("a defect")
        failed, again = await sampler.sample(), await sampler.sample()
        probe.error = None
        recovered = await sampler.sample()
    assert well.layout is failed.layout is again.layout is recovered.layout
    values = named(failed)
    assert all(math.isnan(values[key]) for key in (("test.level", ""), ("test.each", "a"), ("test.each", "b")))
    assert values["probe.success", "level"] == 0.0
    assert values["probe.success", "other"] == 1.0
    assert values["other.level", ""] == 9.0
    assert named(recovered)["test.each", "a"] == 2.0
    assert named(recovered)["probe.success", "level"] == 1.0
    events = [record.__dict__["sysmon_event"] for record in caplog.records]
    assert events == ["probe.failing", "probe.recovered"]
    assert "ZeroDivisionError" in caplog.records[0].__dict__["sysmon_fields"]["traceback"]


async def test_a_probe_that_fails_from_the_start_has_the_series_that_need_no_instance() -> None:
    probe = Level()
    probe.error = OSError(5, "Input/output error")
    with sampling(probe) as sampler:
        values = named(await sampler.sample())
    assert math.isnan(values["test.level", ""])
    assert ("test.each", "a") not in values


async def test_a_hung_probe_costs_only_itself_and_is_not_started_twice() -> None:
    probe = Level()
    with sampling(probe, Other(), deadline=0.3) as sampler:
        well = await sampler.sample()
        probe.open.clear()
        hung, still = await sampler.sample(), await sampler.sample()
        assert probe.calls == 2
        for sample in (hung, still):
            values = named(sample)
            assert math.isnan(values["test.level", ""])
            assert math.isnan(values["probe.duration", "level"])
            assert values["probe.success", "level"] == 0.0
            assert values["other.level", ""] == 9.0
            assert values["probe.success", "other"] == 1.0
            assert sample.layout is well.layout
        probe.left.clear()
        probe.open.set()
        assert probe.left.wait(10)
        while named(sample := await sampler.sample())["probe.success", "level"] == 0.0:
            await asyncio.sleep(0.01)
        assert named(sample)["test.level", ""] == 1.0


async def test_a_late_answer_is_dropped() -> None:
    probe = Level()
    probe.open.clear()
    with sampling(probe, deadline=0.05) as sampler:
        await sampler.sample()
        probe.rows = [(LEVEL, "", 666.0), (EACH, "late", 666.0)]
        probe.open.set()
        assert probe.left.wait(10)
        probe.rows = [(LEVEL, "", 1.0)]
        seen = [named(await sampler.sample())["test.level", ""] for _ in range(20)]
    assert 666.0 not in seen
    assert 1.0 in seen


async def test_several_hung_probes_do_not_add_up_to_lost_neighbours() -> None:
    hung = [Level() for _ in range(5)]
    for number, probe in enumerate(hung):
        probe.__dict__["name"] = f"hung{number}"
        probe.open.clear()
    with sampling(*hung, Other(), deadline=1.0) as sampler:
        values = named(await sampler.sample())
        for probe in hung:
            probe.open.set()
    assert values["probe.success", "other"] == 1.0
    assert [values["probe.success", f"hung{number}"] for number in range(5)] == [0.0] * 5


@pytest.mark.parametrize("others", [[Other()], []], ids=["with others", "alone"])
async def test_what_still_hangs_is_not_waited_for_again_and_takes_up_no_old_work(others: list[Other]) -> None:
    probe = Level()
    probe.open.clear()
    with sampling(probe, *others, deadline=3600) as sampler:
        task = asyncio.ensure_future(sampler.sample())
        while not probe.calls:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        values = named(await asyncio.wait_for(sampler.sample(), 60))
        probe.open.set()
        while any(worker.busy for worker in sampler._workers):
            await asyncio.sleep(0.01)
    assert [other.calls for other in others] == [1] * len(others)
    assert values["probe.success", "level"] == 0.0
    assert [values["probe.success", other.name] for other in others] == [1.0] * len(others)


@pytest.mark.parametrize(
    "rows",
    [
        [(OTHER, "", 1.0)],
        [(LEVEL, "", 1.0), (LEVEL, "", 2.0)],
        [(LEVEL, "an instance", 1.0)],
        [(EACH, "", 1.0)],
    ],
    ids=["undeclared", "twice", "needless instance", "no instance"],
)
async def test_what_is_not_declared_is_a_failure_of_its_probe(rows: list[Row]) -> None:
    probe = Level()
    probe.rows = rows
    with sampling(probe, Other()) as sampler:
        values = named(await sampler.sample())
    assert values["probe.success", "level"] == 0.0
    assert values["probe.success", "other"] == 1.0


async def test_the_layout_changes_with_the_instances() -> None:
    probe = Level()
    with sampling(probe) as sampler:
        first = await sampler.sample()
        probe.rows = [(LEVEL, "", 1.0), (EACH, "c", 2.0)]
        second = await sampler.sample()
    assert first.layout.id != second.layout.id
    assert named(second)["test.each", "c"] == 2.0


async def test_this_machines_sample_is_one_that_the_wire_takes_and_the_catalogue_knows() -> None:
    probes = [*probes_of_this_machine(), AgentProbe(lambda: AgentState(3, 100, 4, 5))]
    with sampling(*probes) as sampler:
        sample = await sampler.sample()
    values = named(sample)
    assert [values["probe.success", probe.name] for probe in probes] == [1.0] * len(probes)
    assert (values["agent.unacknowledged", ""], values["agent.dropped", ""]) == (3, 4)
    assert set(sample.layout.metrics) <= set(CATALOGUE)
    assert layout_from_wire(layout_to_wire(sample.layout)) == sample.layout
    assert not any(map(math.isinf, sample.values))


def test_a_probe_that_outlives_the_event_loop_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[object] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    probe = Level()
    probe.open.clear()
    with sampling(probe, deadline=0.05) as sampler:
        asyncio.run(sampler.sample())
        (thread,) = (one for one in threading.enumerate() if one is sampler._workers[0]._thread)
        probe.open.set()
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert raised == []
