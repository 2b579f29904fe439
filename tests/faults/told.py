"""What must hold of the events that samples carried: each is stored with its sample, once, in order, as issued."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from sysmon.v1 import ingest_pb2 as pb
from tests.faults import payload
from tests.faults.fault import Fault, Sample, sample_of
from tests.faults.ledger import Ledger, Origin
from tests.faults.stored import Stored, StoredEvent


def wrong(ledger: Ledger, stored: Stored) -> Iterator[Fault]:
    """At any moment, for they are stored in the transaction of their sample. `ledger` was read after `stored`."""
    told: defaultdict[Sample, list[StoredEvent]] = defaultdict(list)
    for event in stored.events:
        told[Sample(event.origin, event.number)].append(event)
    good = {sample for row in stored.frames if (sample := sample_of(row.values))}
    refused = {sample for row in stored.rejects if (sample := sample_of(row.values))}
    for sample in {*told, *good, *refused}:
        origin = ledger.origins.get(sample.origin)
        if origin is None or sample.number not in origin.times:
            if sample in told:
                yield Fault("event of nobody", str(sample))
            continue
        if sample not in good | refused and _is_ahead(origin, sample, stored):
            yield Fault("event without its sample", str(sample))
        issued = payload.events_of(sample.origin, sample.number, origin.times[sample.number])
        yield from _amiss(sample, told[sample], len(issued) if sample in good | refused else 0)
        for event in told[sample]:
            # What is refused for its time has events of another.
            if not _is_as_issued(event, issued, origin.machine, sample in good):
                yield Fault("event wrong", f"{sample}: {event}")


def _is_ahead(origin: Origin, sample: Sample, stored: Stored) -> bool:
    """Whether the sample is known not to be settled. (What is may have come too late for `frames`.)"""
    place = origin.places.get(sample.number)
    return place is not None and stored.durable.get(place[0], 0) < place[1]


def _amiss(sample: Sample, told: list[StoredEvent], fewest: int) -> Iterator[Fault]:
    places = [event.place for event in told]
    if len(set(places)) != len(places):
        yield Fault("event twice", f"{sample}: {places}")
    elif len(places) < fewest:
        yield Fault("event lost", f"{sample}: {places} of {fewest}")
    elif places != sorted(places):
        yield Fault("events out of order", f"{sample}: {places}")


def _is_as_issued(event: StoredEvent, issued: list[pb.Event], machine: str, same_time: bool) -> bool:
    if event.place >= len(issued):
        return False
    one = issued[event.place]
    severity = pb.Severity.Name(one.severity).removeprefix("SEVERITY_").lower()
    as_issued = (event.machine, event.severity, event.message) == (machine, severity, one.message)
    return as_issued and (event.time_us == one.time_us or not same_time)
