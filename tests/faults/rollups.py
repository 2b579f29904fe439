"""Roll-ups made anew from what was issued, the plain way, and compared with those that the product made."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.faults import payload
from tests.faults.checks import Whereabouts
from tests.faults.fault import Fault, Sample
from tests.faults.ledger import Ledger
from tests.faults.stored import Bucket, Stored

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
# An hour's mean comes from minutes' means, which are float32.
MEAN_TOLERANCE = 1e-5

Key = tuple[str, bytes, bytes, int]
"""Machine, stream, layout and start of a bucket."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A sample that history has, or had until it was rolled up and dropped."""

    machine: str
    stream: bytes
    time_us: int
    layout: bytes
    values: Sequence[float]


def kept(ledger: Ledger, stored: Stored) -> list[Taken]:
    """All that was issued and acknowledged, without what is in a gap or was refused."""
    found = Whereabouts(stored)
    taken = []
    for origin, one in ledger.origins.items():
        for number, place in one.places.items():
            where = found.of(Sample(origin, number), place)
            if "stored" in where or (number in one.acknowledged and not where):
                layout = payload.layout_of(number, one.width).id
                values = payload.values_of(origin, number, one.width)
                taken.append(Taken(one.machine, place[0], one.times[number], layout, values))
    return taken


def wrong(samples: Iterable[Taken], stored: Stored) -> list[Fault]:
    """Buckets of what is rolled up and still kept that are not as `samples` make them."""
    samples = list(samples)
    return [
        *_compared("minute", samples, MINUTE_US, stored, stored.minutes, exact=True),
        *_compared("hour", samples, HOUR_US, stored, stored.hours, exact=False),
    ]


def _compared(
    name: str, samples: list[Taken], step_us: int, stored: Stored, have: list[Bucket], exact: bool
) -> Iterator[Fault]:
    tier = stored.tiers[name]
    wanted = {
        key: bucket
        for key, bucket in made(samples, step_us).items()
        # A bucket that is not yet made, or that is dropped already, is no fault.
        if tier.kept_from_us <= key[-1] < tier.done_us
    }
    found: dict[Key, Bucket] = {}
    for bucket in have:
        key = (bucket.machine, bucket.stream, bucket.layout, bucket.time_us)
        where = f"{name} {bucket.time_us} of {bucket.machine}, stream {bucket.stream.hex()[:8]}"
        if key in found:
            yield Fault(f"{name} twice", where)
        found[key] = bucket
        if key not in wanted and bucket.time_us >= tier.kept_from_us:
            yield Fault(f"{name} of nothing", f"{where}: {bucket.samples} samples")
    for key, bucket in wanted.items():
        where = f"{name} {bucket.time_us} of {bucket.machine}, stream {bucket.stream.hex()[:8]}"
        if key not in found:
            yield Fault(f"{name} missing", f"{where}: {bucket.samples} samples")
        elif difference := _difference(bucket, found[key], exact):
            yield Fault(f"{name} wrong", f"{where}: {difference}")


def made(samples: Iterable[Taken], step_us: int) -> dict[Key, Bucket]:
    """The buckets of so many microseconds that these samples come to."""
    groups: dict[Key, list[Sequence[float]]] = defaultdict(list)
    for one in samples:
        groups[one.machine, one.stream, one.layout, one.time_us // step_us * step_us].append(one.values)
    return {key: _bucket(key, group) for key, group in groups.items()}


def _bucket(key: Key, group: list[Sequence[float]]) -> Bucket:
    machine, stream, layout, start = key
    series = [[value for value in values if not math.isnan(value)] for values in zip(*group, strict=True)]
    return Bucket(
        machine=machine,
        stream=stream,
        time_us=start,
        layout=layout,
        samples=len(group),
        low=[min(values, default=math.nan) for values in series],
        mean=[sum(values) / len(values) if values else math.nan for values in series],
        high=[max(values, default=math.nan) for values in series],
        counts=[len(values) for values in series],
    )


def _difference(wanted: Bucket, found: Bucket, exact: bool) -> str:
    """In what they differ; nothing if they do not."""
    if wanted.samples != found.samples:
        return f"{found.samples} samples, not {wanted.samples}"
    if _counts(found) != wanted.counts:
        return f"counts {_counts(found)}, not {wanted.counts}"
    if payload.bits(wanted.low) != payload.bits(found.low) or payload.bits(wanted.high) != payload.bits(found.high):
        return "the least or the greatest of a series"
    same = payload.bits(wanted.mean) == payload.bits(found.mean) if exact else _close(wanted.mean, found.mean)
    return "" if same else "the mean of a series"


def _counts(bucket: Bucket) -> list[int]:
    """NULL is: every reading was a number, and none of a series that has no mean."""
    return bucket.counts or [0 if math.isnan(mean) else bucket.samples for mean in bucket.mean]


def _close(wanted: Sequence[float], found: Sequence[float]) -> bool:
    return len(wanted) == len(found) and all(
        (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=MEAN_TOLERANCE)
        for one, other in zip(wanted, found, strict=True)
    )
