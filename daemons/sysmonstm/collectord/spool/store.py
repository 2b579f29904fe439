"""The segments on disk: writes frames into them, sheds the oldest where there is no room, deletes what is settled."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool import records
from sysmonstm.collectord.spool.files import Directory
from sysmonstm.collectord.spool.opening import INCOMPLETE, Found
from sysmonstm.collectord.spool.records import PREFIX_BYTES, Header, Kind, Part
from sysmonstm.collectord.spool.segment import Segment
from sysmonstm.collectord.spool.stream import Stream
from sysmonstm.collectord.spool.trouble import NO_ROOM, Trouble
from sysmonstm.collectord.spool.words import Limits
from sysmonstm.collectord.spool.writer import Writer
from sysmonstm.metric import Layout
from sysmonstm.wire import STREAM_BYTES, layout_to_wire

# Small enough that shedding one is no great loss.
MOST_SEGMENT_BYTES = 4 * 1024 * 1024
SEGMENTS = 16
# How often a frame is tried to be written, each time in another segment or after shedding one.
ATTEMPTS = 4
# Gaps whose reason each new segment repeats. There are seldom any; of more than these the reason may be forgotten.
MOST_GAP_NOTES = 100


class Store:
    """Streams, oldest first, the current one last, and their segments.

    `going` is told of a segment that is about to be deleted.
    """

    def __init__(
        self,
        directory: Directory,
        limits: Limits,
        boot: bytes,
        found: Found,
        trouble: Trouble,
        going: Callable[[Stream, Segment], None],
    ) -> None:
        self._directory = directory
        self._boot = boot
        self._trouble = trouble
        self._going = going
        self._writer = Writer(directory, found.next_number, found.segments_of(boot))
        self.streams = found.streams
        if not found.goes_on:
            self.rotate()
        self.limit(limits)
        # To be written with the next frame.
        self._notes: list[Part] = []
        self.bytes = sum(segment.size for stream in self.streams for segment in stream.segments)
        self.shed = 0
        self.refused = 0

    def limit(self, limits: Limits) -> None:
        """From the next frame on no more may be kept than this."""
        self._limits = limits
        self._segment_bytes = min(min(limits.most_bytes, self._directory.total_bytes()) // SEGMENTS, MOST_SEGMENT_BYTES)

    @property
    def current(self) -> Stream:
        """The stream of new frames."""
        return self.streams[-1]

    @property
    def unsynced(self) -> int:
        """How many frames were written and not synced since."""
        return self._writer.unsynced

    @property
    def needs_sync(self) -> bool:
        """Whether a power cut would take a frame that waits."""
        return self._writer.needs_sync and not all(stream.settled for stream in self.streams)

    def rotate(self) -> None:
        """Begin a new stream."""
        self._writer.seal()
        self.streams.append(Stream(os.urandom(STREAM_BYTES)))

    def append(self, seq: int, layout: Layout, payload: bytes) -> None:
        """Write the next frame of the current stream. If it cannot be written, it is `unwritten` there."""
        try:
            self._store(seq, layout, payload)
        except OSError as error:
            self._leave_unwritten(seq, error)
            return
        self.current.newest = seq
        self._trouble.succeeded("write")
        self._drop_settled()

    def forgotten(self, stream: Stream, seq: int) -> None:
        """Up to `seq` nothing of the stream is in memory: what of it is not on disk is lost."""
        for gap in stream.take_unwritten(seq):
            lost = stream.lose(gap.first_seq, gap.last_seq, gap.reason)
            if gap.reason == pb.GAP_REASON_SHED:
                self.shed += lost
            else:
                self.refused += lost

    def acknowledge(self, stream: Stream, seq: int) -> bool:
        """Everything up to `seq` is settled; whether that is news."""
        if not stream.acknowledge(seq):
            return False
        # One at most for each stream, however long nothing can be written.
        self._notes = [one for one in self._notes if one.kind != Kind.ACK or not one.payload.startswith(stream.id)]
        self._notes.append(records.ack(stream.id, stream.acknowledged, stream.newest))
        self._drop_settled()
        return True

    def sync(self) -> None:
        """Return when what was written would outlive a power cut, or cannot be made to."""
        try:
            self._write_notes()
            self._writer.sync()
        except OSError as error:
            self._trouble.failed("sync", error)
            self._writer.seal()
        else:
            self._trouble.succeeded("sync")

    def close(self) -> None:
        """Write down what is settled, sync, and let go of the files."""
        if self._notes:
            self._secure_notes()
        self.sync()
        self._writer.close()

    def _store(self, seq: int, layout: Layout, payload: bytes) -> None:
        """Write a frame; OSError if it cannot be, whatever is shed."""
        failure = OSError()
        for _ in range(ATTEMPTS):
            try:
                self._make_room(PREFIX_BYTES + len(payload))
                self._write(seq, layout, payload)
            except OSError as error:
                failure = error
                if error.errno not in NO_ROOM:
                    # It may be the trouble of this file alone.
                    self._writer.seal()
                elif not self._shed_oldest():
                    break
            else:
                return
        raise failure

    def _write(self, seq: int, layout: Layout, payload: bytes) -> None:
        segment = self._writer.segment
        if segment and segment.holds_frames and segment.size + len(payload) > self._segment_bytes:
            self._writer.seal()
        if self._writer.segment is None:
            self._begin()
        parts = [*self._notes, Part(Kind.FRAME, seq, payload)]
        if not self._writer.has_layout(layout.id):
            parts.insert(-1, Part(Kind.LAYOUT, 0, layout_to_wire(layout).SerializeToString()))
        self.bytes += self._writer.append(parts)
        self._writer.layout_written(layout.id)
        self._notes.clear()

    def _begin(self) -> None:
        current = self.current
        header = Header(current.id, self._boot, current.newest + 1, current.acknowledged)
        segment = self._writer.begin(header, _all_notes(self.streams))
        self._notes.clear()
        current.segments.append(segment)
        self.bytes += segment.size

    def _write_notes(self) -> None:
        if self._writer.segment is not None and self._notes:
            self.bytes += self._writer.append(self._notes)
            self._notes.clear()

    def _leave_unwritten(self, seq: int, error: OSError) -> None:
        """The frame that was to be written is in memory only."""
        full = error.errno in NO_ROOM
        self.current.newest = seq
        self.current.unwritten.add(seq, seq, pb.GAP_REASON_SHED if full else pb.GAP_REASON_DAMAGED)
        self._trouble.failed("write", error)
        # The next segment begins behind it. Until then the newest does not know of it.
        self._writer.seal()
        with suppress(OSError):
            self._mark_newest()

    def _mark_newest(self) -> None:
        """Have the newest segment say by its name, even after a power cut, that seqs were given out after its end."""
        newest = self._newest()
        if newest is not None and not newest.name.endswith(INCOMPLETE):
            self._directory.rename(newest.name, newest.name + INCOMPLETE)
            newest.name += INCOMPLETE
            self._directory.sync()

    def _make_room(self, size: int) -> None:
        while self.bytes + size > self._limits.most_bytes and (oldest := self._oldest()):
            if oldest is self._newest() and oldest.holds_frames:
                # A new one first, which knows how far the stream is.
                self._begin()
            elif oldest is self._newest() or not self._shed_oldest():
                break
        # One at a time, and never the last: some file systems give room back only after a while.
        if self._directory.free_bytes() - size < self._limits.free_bytes and self._oldest() is not self._newest():
            self._shed_oldest()

    def _shed_oldest(self) -> bool:
        """Delete the oldest segment, whose frames are lost; whether there was one that could be."""
        stream = next((one for one in self.streams if one.segments), None)
        if stream is None:
            return False
        segment = stream.segments[0]
        unsettled = stream.lost_with(segment)
        if unsettled and stream is not self.current and len(stream.segments) == 1:
            # Once it is gone, a gap that is written down is all that tells of the stream.
            self._notes += [records.gap(stream.id, gap) for gap in unsettled]
            self._secure_notes()
        if not self._delete(stream, segment):
            return False
        if lost := sum(stream.lose(gap.first_seq, gap.last_seq, gap.reason) for gap in unsettled):
            self.shed += lost
            self._trouble.shed()
            self._notes += [records.gap(stream.id, gap) for gap in unsettled]
        self._tidy()
        return True

    def _drop_settled(self) -> None:
        """Delete every segment that holds nothing unsettled, but for the newest, which says where its stream is."""
        if next(self._droppable(), None):
            # Or what was deleted would look lost after a power cut.
            self._secure_notes()
            for stream, segment in list(self._droppable()):
                self._delete(stream, segment)
        self._tidy()

    def _droppable(self) -> Iterator[tuple[Stream, Segment]]:
        newest = self._newest()
        for stream in self.streams:
            for segment in stream.segments:
                if segment is newest or segment.last_seq > stream.acknowledged:
                    break
                yield stream, segment

    def _secure_notes(self) -> None:
        try:
            if self._writer.segment is None:
                self._begin()
        except OSError as error:
            self._trouble.failed("write", error)
        self.sync()

    def _delete(self, stream: Stream, segment: Segment) -> bool:
        """Delete a segment; False if that cannot be."""
        self._going(stream, segment)
        try:
            self._directory.unlink(segment.name)
        except FileNotFoundError:
            # Somebody else has done it.
            pass
        except OSError as error:
            self._trouble.failed("delete", error)
            return False
        self._trouble.succeeded("delete")
        self._writer.deleted(segment)
        stream.segments.remove(segment)
        self.bytes -= segment.size
        return True

    def _oldest(self) -> Segment | None:
        return next((stream.segments[0] for stream in self.streams if stream.segments), None)

    def _newest(self) -> Segment | None:
        return next((stream.segments[-1] for stream in reversed(self.streams) if stream.segments), None)

    def _tidy(self) -> None:
        """Forget streams of which nothing is left."""
        self.streams[:-1] = [stream for stream in self.streams[:-1] if stream.segments or not stream.settled]


def _all_notes(streams: list[Stream]) -> list[Part]:
    """What each segment begins with, so that those before it need not be there."""
    acks = [records.ack(stream.id, stream.acknowledged, stream.newest) for stream in streams]
    # After a restart what is in memory only is lost too.
    gaps = [records.gap(stream.id, gap) for stream in streams for gap in [*stream.gaps, *stream.unwritten]]
    return acks + gaps[:MOST_GAP_NOTES]
