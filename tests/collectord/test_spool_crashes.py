"""The spool on a disk that crashes at any change: what was appended is delivered, or its loss is told, never wrong."""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Iterator
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool.opening import INCOMPLETE
from sysmonstm.collectord.spool.recent import MOST_FRAMES
from sysmonstm.collectord.spool.records import HEADER_BYTES, Kind, decoded_header
from sysmonstm.collectord.spool.segment import records_of
from sysmonstm.collectord.spool.spool import Spool
from sysmonstm.collectord.spool.words import Limits
from tests.collectord.recorded_files import Crash, Disk, MemoryDirectory, MemoryFile
from tests.collectord.spool_samples import is_sample, read_all, sample

T = TypeVar("T")
Identity = tuple[bytes, int]

# Of one frame, where the limit has room for less: with a header, layouts and notes.
LARGEST_SEGMENT = 2_000


class SpoolStory(RuleBasedStateMachine):
    """Appends, reads, acknowledges, syncs, sheds, rotates, reopens and crashes, in any order."""

    @initialize(
        seed=st.integers(0, 2**32),
        most_bytes=st.sampled_from([1, 2_000, 10_000, 60_000]),
        capacity=st.sampled_from([4_000, 1_000_000]),
        free_bytes=st.sampled_from([0, 0, 1_000]),
    )
    def begin(self, seed: int, most_bytes: int, capacity: int, free_bytes: int) -> None:
        self.disk = Disk(random.Random(seed), capacity)
        self.limits = Limits(most_bytes, free_bytes)
        self.boots = 0
        self.number = 0
        # By identity, the number of the sample that was given out under it; and of what may be there after a crash.
        self.issued: dict[Identity, int] = {}
        self.perhaps: dict[Identity, int] = {}
        # What the disk took, and what it holds for certain even without power.
        self.written: set[Identity] = set()
        self.synced: set[Identity] = set()
        self.doubtful: set[Identity] = set()
        self.acknowledged: dict[bytes, int] = {}
        self.may_repeat = False
        self.has_been_tight = min(most_bytes, capacity) <= 4_000
        self._open()

    def _open(self) -> None:
        # The newest frames of the stream, which are in memory whether or not the disk has taken them.
        self.in_memory: list[Identity] = []
        self.told_lost: set[Identity] = set()
        self.spool = Spool(MemoryDirectory(self.disk), self.limits, self.boots.to_bytes(16, "big"))

    def _do(self, work: Callable[[], T]) -> T | None:
        """What it gives; None if it, or what comes after, ends in a crash."""
        try:
            return work()
        except Crash:
            self._restart()
            return None

    def _restart(self) -> None:
        self.disk.changes_left = None
        if self.loses_power:
            self.boots += 1
            # Of what was shed just before, the gap is told, but its reason may be forgotten.
            self.written &= self.synced & set(self._on_disk())
            self.disk.lose_power()
        self._open()

    def _on_disk(self) -> Iterator[Identity]:
        for content in self.disk.entries.values():
            if header := decoded_header(content.data):
                file = MemoryFile(self.disk, content)
                for record in records_of(file, header.salt, HEADER_BYTES, len(content.data)):
                    if record.kind == Kind.FRAME:
                        yield header.stream, record.seq

    @rule(changes=st.integers(0, 12), loses_power=st.booleans())
    def crash_soon(self, changes: int, loses_power: bool) -> None:
        self.disk.changes_left = changes
        self.loses_power = loses_power

    @rule(loses_power=st.booleans())
    def crash_now(self, loses_power: bool) -> None:
        self.loses_power = loses_power
        self._restart()

    @rule(count=st.integers(1, 8))
    def append(self, count: int) -> None:
        for _ in range(count):
            self.number += 1
            current = self.spool.state.streams[-1]
            identity = current.stream, current.newest_seq + 1
            self.perhaps[identity] = self.number
            before, files = self.spool.state, set(self._files())
            issued = self._do(lambda: self.spool.append(*sample(self.number)))
            if issued is None:
                return
            assert (issued.stream, issued.frame.seq) == identity
            assert is_sample(issued.frame, self.number)
            assert identity not in self.issued or self.may_repeat
            self.issued[identity] = self.number
            if not files <= set(self._files()) or (self.in_memory and self.in_memory[0][0] != issued.stream):
                # Something was settled or shed, also from memory, or the stream is another.
                self.in_memory.clear()
            self.in_memory = [*self.in_memory, identity][-MOST_FRAMES:]
            if self.spool._store.current.unwritten.has(issued.frame.seq):
                assert self.disk.refuses or self.disk.free < 2_000
                self.may_repeat |= self.disk.refuses_all
            else:
                self.written.add(identity)
                assert self.spool.state.bytes <= self.limits.most_bytes + LARGEST_SEGMENT
            assert self.spool.state.shed >= before.shed

    def _files(self) -> Iterator[str]:
        return (name.removesuffix(INCOMPLETE) for name in self.disk.entries)

    @rule(behind=st.integers(-2, 6), oldest=st.booleans())
    def acknowledge(self, behind: int, oldest: bool) -> None:
        state = self.spool.state.streams[0 if oldest else -1]
        seq = max(0, state.newest_seq - behind)
        # Who acknowledges has it, whether or not the spool lives to know.
        settled = min(seq, state.newest_seq)
        self.acknowledged[state.stream] = max(settled, self.acknowledged.get(state.stream, 0))
        self._do(lambda: self.spool.acknowledge(state.stream, seq))

    @rule()
    def sync(self) -> None:
        def synced() -> None:
            self.spool.sync()
            if self.disk.refuses_all:
                # What could not be synced once, the kernel forgets that it should.
                self.doubtful |= self.written
            elif not self.spool.state.failing:
                self.synced |= self.written - self.doubtful

        self._do(synced)

    @rule()
    def rotate(self) -> None:
        stream = self.spool.state.streams[-1].stream
        self.spool.rotate()
        assert self.spool.state.streams[-1].stream != stream

    @rule(other_boot=st.booleans())
    def reopen(self, other_boot: bool) -> None:
        def reopened() -> None:
            before = self.spool.state.streams[-1]
            unclean = self.spool.state.failing or not before.newest_seq or self.disk.refuses
            self.spool.close()
            self.boots += other_boot
            self._open()
            after = self.spool.state.streams[-1]
            assert unclean or after.newest_seq == (0 if other_boot else before.newest_seq)

        self._do(reopened)

    @rule(error=st.sampled_from([errno.ENOSPC, errno.EIO, errno.EROFS]))
    def refuse(self, error: int) -> None:
        self.has_been_tight = True
        self.disk.refuses = error
        self.disk.refuses_all = error != errno.ENOSPC

    @precondition(lambda self: self.disk.refuses)
    @rule()
    def relent(self) -> None:
        self.disk.refuses, self.disk.refuses_all = 0, False

    @rule(share=st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
    def others_take(self, share: float) -> None:
        self.has_been_tight |= share >= 0.9
        free = self.disk.free + self.disk.taken_by_others
        self.disk.taken_by_others = max(0, int(free * share))

    @rule(most_frames=st.integers(1, 9), most_bytes=st.integers(1, 400))
    def look(self, most_frames: int, most_bytes: int) -> None:
        for state in self.spool.state.streams:
            found = read_all(self.spool, state.stream, most_frames, most_bytes)
            for seq, frame in found.frames.items():
                identity = state.stream, seq
                numbers = self.issued.get(identity), self.perhaps.get(identity)
                assert any(number is not None and is_sample(frame, number) for number in numbers)
                if identity in self.issued and not self.may_repeat:
                    assert is_sample(frame, self.issued[identity])
                assert self.spool.time_of(*identity) == frame.time_us
                assert self.spool.layout(frame.layout_id) is not None
            in_memory = [seq for stream, seq in self.in_memory if stream == state.stream]
            assert {seq for seq in in_memory if seq > state.acknowledged_seq} <= set(found.frames)
            # What was told to be lost is not sent after all.
            assert not self.told_lost & {(state.stream, seq) for seq in found.frames}
            self.told_lost |= {(state.stream, seq) for seq in found.lost}
            for seq, reason in found.lost.items():
                assert reason in (pb.GAP_REASON_SHED, pb.GAP_REASON_DAMAGED)
                if (state.stream, seq) in self.written:
                    assert reason == pb.GAP_REASON_SHED
                self.written.discard((state.stream, seq))
        assert self.spool.state.unacknowledged == sum(
            len(read_all(self.spool, state.stream).frames) for state in self.spool.state.streams
        )

    @invariant()
    def what_was_written_is_there_or_was_shed(self) -> None:
        if not hasattr(self, "spool"):
            return
        streams = {one.stream: one for one in self.spool.state.streams}
        for stream, seq in self.written:
            if seq <= self.acknowledged.get(stream, 0):
                continue
            if stream not in streams:
                # Where the last of a stream had to be shed and there was no room to note it, nobody knows of it.
                assert self.has_been_tight
                continue
            assert seq <= streams[stream].newest_seq

    @invariant()
    def it_counts_its_bytes(self) -> None:
        if hasattr(self, "spool"):
            assert self.spool.state.bytes <= sum(len(content.data) for content in self.disk.entries.values())


SpoolStory.TestCase.settings = settings(
    max_examples=300, stateful_step_count=40, deadline=None, report_multiple_bugs=False
)
TestSpoolStory = SpoolStory.TestCase
