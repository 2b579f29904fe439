"""What must hold of the ledger and the database after every fault. Each check names what is wrong, in sentences.

acknowledged ⊆ stored ⊆ issued, no key twice, no value wrong, the events of what is stored, each once,
issued = stored + gaps + rejected + still in the spool
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.faults import payload
from tests.faults import told as told_of
from tests.faults.fault import Fault, Sample, sample_of
from tests.faults.ledger import Ledger, Place
from tests.faults.stored import Reject, Row, Stored, StoredGap

# Of one kind of fault so many are told; the rest is counted.
MOST_TOLD = 5


def told(faults: Sequence[Fault]) -> str:
    """For people: each kind with its number and its first few."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for fault in faults:
        kinds[fault.kind].append(fault.sentence)
    return "\n".join(
        f"{kind}: {len(sentences)}\n  " + "\n  ".join(sentences[:MOST_TOLD]) for kind, sentences in kinds.items()
    )


def while_running(ledger: Ledger, stored: Stored) -> list[Fault]:
    """The checks that hold at any moment. Neither is read at one instant with the other.

    What is missing is looked for among what was acknowledged when `ledger` was read, so that was before `stored`; what
    is too much needs `ledger` to be read after it. Read it twice, and check twice.
    """
    return [*unfaithful(ledger, stored), *lost(ledger, stored)]


def at_rest(ledger: Ledger, stored: Stored, spooled: frozenset[Place] = frozenset()) -> list[Fault]:
    """Those, and that every sample is in exactly one place: for when nobody sends. `spooled` is what spools hold."""
    return [*while_running(ledger, stored), *unaccounted(ledger, stored, spooled), *miscounted(stored)]


def unfaithful(ledger: Ledger, stored: Stored) -> list[Fault]:
    """Rows that are there twice, that nobody issued, or that are not as they were issued."""
    faults = list(_doubled(stored.frames))
    for row in stored.frames:
        faults += _wrong(ledger, row)
    for reject in stored.rejects:
        faults += _wrong(ledger, reject)
    return [*faults, *told_of.wrong(ledger, stored)]


def _doubled(rows: Sequence[Row]) -> Iterator[Fault]:
    keys = Counter((row.machine, row.time_us, row.stream) for row in rows)
    for (machine, time_us, stream), times in keys.items():
        if times > 1:
            yield Fault("key twice", f"{machine} at {time_us} of stream {stream.hex()[:8]}: {times} rows")
    samples = Counter(sample for row in rows if (sample := sample_of(row.values)))
    for sample, times in samples.items():
        if times > 1:
            yield Fault("sample twice", f"{sample}: {times} rows")


def _wrong(ledger: Ledger, row: Row | Reject) -> Iterator[Fault]:
    where = f"{row.machine} at {row.time_us} of stream {row.stream.hex()[:8]}"
    sample = sample_of(row.values)
    if sample is None:
        yield Fault("value wrong", f"{where}: it does not say whose it is")
        return
    origin = ledger.origins.get(sample.origin)
    if origin is None or sample.number not in origin.times:
        yield Fault("never issued", f"{where}: {sample}")
        return
    if payload.bits(row.values) != payload.bits(payload.values_of(sample.origin, sample.number, origin.width)):
        yield Fault("value wrong", f"{where}: these are not the values of {sample}")
    # What was refused for a layout that nobody knew is kept without one.
    if row.layout is not None and row.layout != payload.layout_of(sample.number, origin.width).id:
        yield Fault("layout wrong", f"{where}: not that of {sample}")
    if row.time_us != origin.times[sample.number]:
        yield Fault("time wrong", f"{where}: {sample} was taken at {origin.times[sample.number]}")
    if row.machine != origin.machine:
        yield Fault("machine wrong", f"{where}: {sample} is of {origin.machine}")
    place = origin.places.get(sample.number)
    if place and place[0] != row.stream:
        yield Fault("stream wrong", f"{where}: {sample} is of stream {place[0].hex()[:8]}")


def lost(ledger: Ledger, stored: Stored) -> list[Fault]:
    """Samples that were acknowledged and are nowhere."""
    found = Whereabouts(stored)
    return [
        Fault("acknowledged and lost", f"{sample}, seq {place[1]} of stream {place[0].hex()[:8]}")
        for sample, place in _placed(ledger)
        if sample.number in ledger.origins[sample.origin].acknowledged and not found.of(sample, place)
    ]


def unaccounted(ledger: Ledger, stored: Stored, spooled: frozenset[Place]) -> list[Fault]:
    """Samples that are nowhere, or in several places."""
    found = Whereabouts(stored)
    faults = []
    for sample, place in _placed(ledger):
        where = found.of(sample, place)
        sentence = f"{sample}, seq {place[1]} of stream {place[0].hex()[:8]}"
        if not where and place not in spooled:
            faults.append(Fault("nowhere", sentence))
        # What is committed is in the spool as well until its acknowledgement comes; what is lost is not.
        if len(where) > 1 or (place in spooled and "gap" in where):
            faults.append(Fault("in several places", f"{sentence}: {', '.join(where)}"))
    return faults


def _placed(ledger: Ledger) -> Iterator[tuple[Sample, Place]]:
    for origin, one in ledger.origins.items():
        for number, place in one.places.items():
            yield Sample(origin, number), place


def miscounted(stored: Stored) -> Iterator[Fault]:
    """The database by itself: everything up to a stream's cursor is a frame, in a gap or refused, and that once.

    It holds where a seq stands for one sample, and while nothing of raw is dropped.
    """
    counts: Counter[bytes] = Counter(row.stream for row in stored.frames)
    counts.update(reject.stream for reject in stored.rejects)
    for gap in stored.gaps:
        counts[gap.stream] += gap.frames
    for stream, durable in stored.durable.items():
        if counts[stream] != durable:
            yield Fault("miscounted", f"stream {stream.hex()[:8]}: {counts[stream]} accounted for of {durable} settled")


class Whereabouts:
    """Where each sample is."""

    def __init__(self, stored: Stored) -> None:
        self._rows = {sample_of(row.values) for row in stored.frames}
        self._rejects = {(reject.stream, reject.seq) for reject in stored.rejects}
        self._gaps: defaultdict[bytes, list[StoredGap]] = defaultdict(list)
        for gap in stored.gaps:
            self._gaps[gap.stream].append(gap)

    def of(self, sample: Sample, place: Place) -> list[str]:
        """Of "stored", "rejected" and "gap" those that have it."""
        stream, seq = place
        found = {
            "stored": sample in self._rows,
            "rejected": place in self._rejects,
            "gap": any(gap.first_seq <= seq <= gap.last_seq for gap in self._gaps[stream]),
        }
        return [name for name, there in found.items() if there]
