"""What synthetic collectors have issued and what was acknowledged to them, as they write it down and tests read it.

A collector appends a line before it takes a sample, one after the spool has it, and one for each acknowledgement before
anything else is done about it. Each line is one write to a file opened for appending: kill -9 loses none of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

Place = tuple[bytes, int]
"""A stream and a seq on it."""


@dataclass(slots=True)
class Origin:
    """One collector: the machine that it says it is, and what became of its samples, by their number."""

    machine: str
    width: int
    times: dict[int, int] = field(default_factory=dict)
    places: dict[int, Place] = field(default_factory=dict)
    acknowledged: set[int] = field(default_factory=set)

    @property
    def unplaced(self) -> list[int]:
        """Samples of which it is not known that the spool ever had them: the collector was killed just then."""
        return [number for number in self.times if number not in self.places]


@dataclass(frozen=True, slots=True)
class _Waiting:
    origin: int
    number: int
    seq: int


@dataclass(slots=True)
class Ledger:
    """Every collector by its number, and how far each stream is settled as its spool has it."""

    origins: dict[int, Origin] = field(default_factory=dict)
    settled: dict[bytes, int] = field(default_factory=dict)
    _waiting: dict[bytes, list[_Waiting]] = field(default_factory=dict)

    def host(self, origin: int, machine: str, width: int) -> None:
        """A collector has started."""
        self.origins.setdefault(origin, Origin(machine, width))

    def take(self, origin: int, number: int, time_us: int) -> None:
        """A sample is about to be handed to the spool."""
        self.origins[origin].times[number] = time_us

    def placed(self, origin: int, number: int, stream: bytes, seq: int) -> None:
        """The spool has it."""
        self.origins[origin].places[number] = (stream, seq)
        self._waiting.setdefault(stream, []).append(_Waiting(origin, number, seq))
        # It may have come and gone before it was written down.
        self.acknowledge(stream, self.settled.get(stream, 0))

    def opened(self, origin: int, stream: bytes, settled: int, newest: int) -> None:
        """A collector has opened its spool: a sample that it was taking when it was killed is there, or is not.

        A spool that was put back from an old copy gives out seqs again that were settled once.
        """
        self.settled[stream] = settled
        known = {seq for on, seq in self.origins[origin].places.values() if on == stream}
        unplaced = self.origins[origin].unplaced
        if unplaced and newest and newest not in known and (newest == 1 or newest - 1 in known):
            self.placed(origin, unplaced[-1], stream, newest)
        self.acknowledge(stream, settled)

    def acknowledge(self, stream: bytes, seq: int) -> None:
        """Everything up to `seq` of the stream is settled, an aggregator says."""
        self.settled[stream] = max(seq, self.settled.get(stream, 0))
        waiting = self._waiting.get(stream, [])
        for one in waiting:
            if one.seq <= seq:
                self.origins[one.origin].acknowledged.add(one.number)
        self._waiting[stream] = [one for one in waiting if one.seq > seq]

    @property
    def issued(self) -> int:
        """How many samples were taken."""
        return sum(len(origin.times) for origin in self.origins.values())

    @property
    def acknowledged(self) -> int:
        """How many of them are settled."""
        return sum(len(origin.acknowledged) for origin in self.origins.values())

    @property
    def unacknowledged(self) -> int:
        """How many are known to have been in a spool and wait."""
        return sum(map(len, self._waiting.values()))


class Journal:
    """The file that a collector writes."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _say(self, *words: object) -> None:
        line = " ".join(map(str, words)).encode() + b"\n"
        assert os.write(self._file, line) == len(line), "a line is written whole, or the test is worth nothing"

    def host(self, origin: int, machine: str, width: int) -> None:
        self._say("host", origin, machine, width)

    def opened(self, origin: int, stream: bytes, settled: int, newest: int) -> None:
        self._say("opened", origin, stream.hex(), settled, newest)

    def take(self, origin: int, number: int, time_us: int) -> None:
        self._say("take", origin, number, time_us)

    def placed(self, origin: int, number: int, stream: bytes, seq: int) -> None:
        self._say("placed", origin, number, stream.hex(), seq)

    def acknowledge(self, stream: bytes, seq: int) -> None:
        self._say("acknowledge", stream.hex(), seq)

    def close(self) -> None:
        os.close(self._file)


def read(paths: Iterable[Path]) -> Ledger:
    """What the journals say, all told; one that is not there yet says nothing."""
    ledger = Ledger()
    for path in paths:
        if path.exists():
            for line in path.read_text().splitlines():
                _apply(ledger, line.split())
    return ledger


def _apply(ledger: Ledger, words: list[str]) -> None:
    match words:
        case "host", origin, machine, width:
            ledger.host(int(origin), machine, int(width))
        case "opened", origin, stream, settled, newest:
            ledger.opened(int(origin), bytes.fromhex(stream), int(settled), int(newest))
        case "take", origin, number, time_us:
            ledger.take(int(origin), int(number), int(time_us))
        case "placed", origin, number, stream, seq:
            ledger.placed(int(origin), int(number), bytes.fromhex(stream), int(seq))
        case "acknowledge", stream, seq:
            ledger.acknowledge(bytes.fromhex(stream), int(seq))
        case _:
            raise AssertionError(f"a journal holds what nobody writes: {words}")
