"""A machine's history in all three tiers, as the roll-up leaves it, and what a range of it comes to when counted."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import psycopg

from sysmonstm.metric import Layout
from tests.gatewayd.fleet_publisher import LAYOUT, OTHER_LAYOUT, HistoryWriter

START = 1_700_006_400  # a full hour
HOURS = 8
# From where each tier is kept, and up to where it has been made: hours after START.
RAW_KEPT, MINUTE_KEPT, HOUR_DONE, MINUTE_DONE = 4, 2, 6, 7.5
WIDTH = {"raw": 0, "minute": 60, "hour": 3600}


class Sample(NamedTuple):
    """One frame. `stream` and `layout` are the numbers of their rows, `time` is in seconds since 1970."""

    time: float
    stream: int
    layout: int
    values: tuple[float, ...]


@dataclass(frozen=True)
class Kept:
    """What was written."""

    machine: str
    samples: list[Sample]
    layouts: dict[int, Layout]
    streams: dict[int, bytes]


class Bucket(NamedTuple):
    """What one instance read within a bucket, NaN where it read nothing, and in how many samples it was read."""

    low: float
    mean: float
    high: float
    readings: int


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def write(database_url: str, seed: int) -> Kept:
    """A machine whose two streams and two layouts took turns; NaN and missing samples here and there."""
    chance = random.Random(seed)
    writer = HistoryWriter(database_url)
    machine = writer.machine("web1", interval=20)
    layouts = {writer.layout(one): one for one in (LAYOUT, OTHER_LAYOUT)}
    streams = dict(writer.stream(machine) for _ in range(2))
    samples = [sample for stream in streams for sample in _samples(chance, stream, list(layouts))]
    _write_rows(writer.connection, machine, samples)
    writer.close()
    return Kept("web1", samples, layouts, streams)


def _samples(chance: random.Random, stream: int, layouts: Sequence[int]) -> Iterable[Sample]:
    phase = chance.random()
    for number in range(HOURS * 180):
        at = START + number * 20 + phase
        # Silent for a while, and now and then.
        if chance.random() < 0.05 or 2000 < at - START < 3000:
            continue
        layout = layouts[(number // 50 + stream) % 2]
        values = tuple(math.nan if chance.random() < 0.1 else float(chance.randint(0, 1000)) / 4 for _ in range(4))
        yield Sample(round(at, 6), stream, layout, values)


def _write_rows(connection: psycopg.Connection, machine: int, samples: list[Sample]) -> None:
    raw_kept, minute_kept, hour_done, minute_done = (
        START + 3600 * hours for hours in (RAW_KEPT, MINUTE_KEPT, HOUR_DONE, MINUTE_DONE)
    )
    for name, done, kept in (("minute", minute_done, minute_kept), ("hour", hour_done, 0), ("raw", 0, raw_kept)):
        connection.execute(
            "UPDATE tiers SET claimed = %s, done = %s, kept_from = %s WHERE name = %s",
            (moment(done), moment(done), moment(kept), name),
        )
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO frames (time, machine, stream, layout, values) VALUES (%s, %s, %s, %s, %s)",
            [(moment(one.time), machine, *one[1:3], list(one.values)) for one in samples if one.time >= raw_kept],
        )
        for tier, first, last in (("minute", minute_kept, minute_done), ("hour", 0, hour_done)):
            rows = [row for row in _reduced(samples, WIDTH[tier]) if first <= row.time < last]
            cursor.executemany(
                f"INSERT INTO {tier}s (time, machine, stream, layout, samples, low, mean, high, counts)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)".encode(),
                [(moment(row.time), machine, *row[1:]) for row in rows],
            )


class Row(NamedTuple):
    """A row of minutes or hours."""

    time: float
    stream: int
    layout: int
    samples: int
    low: list[float]
    mean: list[float]
    high: list[float]
    counts: list[int] | None


def _reduced(samples: Iterable[Sample], width: int) -> Iterable[Row]:
    groups: dict[tuple[int, int, int], list[tuple[float, ...]]] = defaultdict(list)
    for one in samples:
        groups[int(one.time // width * width), one.stream, one.layout].append(one.values)
    for (time, stream, layout), values in sorted(groups.items()):
        columns = [merged(column) for column in zip(*values, strict=True)]
        counts = [column.readings for column in columns]
        whole = set(counts) <= {0, len(values)}
        low, mean, high = ([column[at] for column in columns] for at in range(3))
        yield Row(time, stream, layout, len(values), low, mean, high, None if whole else counts)


def merged(readings: Iterable[float]) -> Bucket:
    """What readings come to."""
    numbers = [one for one in readings if not math.isnan(one)]
    if not numbers:
        return Bucket(math.nan, math.nan, math.nan, 0)
    return Bucket(min(numbers), sum(numbers) / len(numbers), max(numbers), len(numbers))


def tier_at(time: float, step: float) -> str:
    """Which tier tells of an instant, for buckets of `step` seconds."""
    order = ["raw", "minute", "hour"]
    kept = {"raw": RAW_KEPT, "minute": MINUTE_KEPT, "hour": -math.inf}
    done = {"raw": math.inf, "minute": MINUTE_DONE, "hour": HOUR_DONE}
    tier = max((one for one in order if WIDTH[one] <= step), key=order.index)
    hours = (time - START) / 3600
    while hours >= done[tier]:
        tier = order[order.index(tier) - 1]
    while hours < kept[tier]:
        tier = order[order.index(tier) + 1]
    return tier


class Question(NamedTuple):
    """What history() is asked. Times and step in seconds."""

    metric: str
    start: float
    end: float
    step: float
    instance: str | None
    stream: int | None


def counted(kept: Kept, asked: Question) -> dict[tuple[float, str], Bucket]:
    """What history() is to answer, by bucket and instance, counted sample by sample."""
    found: dict[tuple[float, str], list[float]] = defaultdict(list)
    for sample in kept.samples:
        if (moment := _place(sample.time, asked)) is None or asked.stream not in (None, sample.stream):
            continue
        for series, value in zip(kept.layouts[sample.layout].series, sample.values, strict=True):
            if series.metric.name == asked.metric and asked.instance in (None, series.instance):
                found[moment // asked.step * asked.step, series.instance].append(value)
    return {key: merged(readings) for key, readings in found.items()}


def _place(time: float, asked: Question) -> float | None:
    """The time by which a sample counts: its own, or that of the minute or hour that holds it. None: it does not."""
    for tier, width in WIDTH.items():
        starts = time // width * width if width else time
        shown = max(starts, asked.start) if width else time
        if asked.start <= shown < asked.end and tier_at(shown, asked.step) == tier and shown < starts + (width or 1):
            return shown
    return None
