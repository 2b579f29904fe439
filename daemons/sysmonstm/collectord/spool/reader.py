"""Reads frames back from segments, in order, and finds what is missing between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool.files import Directory, File
from sysmonstm.collectord.spool.layouts import Layouts
from sysmonstm.collectord.spool.opening import UNREADABLE, records_in
from sysmonstm.collectord.spool.records import HEADER_BYTES, Kind
from sysmonstm.collectord.spool.segment import Record, Segment, records_of
from sysmonstm.collectord.spool.stream import Stream
from sysmonstm.collectord.spool.words import Portion
from sysmonstm.metric import Layout


@dataclass(slots=True)
class _Place:
    """Where the next record to read is, and the seq that is expected there."""

    segment: Segment
    offset: int
    seq: int


class Reader:
    """Reads a stream from one place on; reading goes on where it stopped, without looking for it."""

    def __init__(self, directory: Directory, layouts: Layouts) -> None:
        self._directory = directory
        self._layouts = layouts
        self._place: _Place | None = None
        self._file: tuple[Segment, File] | None = None
        self.damaged = 0

    def portion(
        self, streams: list[Stream], stream: Stream, seqs: tuple[int, int], most_frames: int, most_bytes: int
    ) -> Portion:
        """What there is from the first of `seqs` to the last, both included.

        What is found to be missing there is added to the stream's gaps, and to `damaged`.
        """
        found = Portion()
        seq, last = seqs
        for frame, record, segment in self._frames(streams, stream, seq):
            most_bytes -= len(record.payload)
            if frame.seq > last:
                break
            if len(found.frames) == most_frames or (found.frames and most_bytes < 0):
                self._place = _Place(segment, record.start, frame.seq)
                return found
            self._skip(found, stream, seq, frame.seq - 1)
            found.frames.append(frame)
            seq = frame.seq + 1
            self._place = _Place(segment, record.end, seq)
        self._skip(found, stream, seq, last)
        if stream.segments and last == stream.newest:
            newest = stream.segments[-1]
            self._place = _Place(newest, newest.size, last + 1)
        return found

    def get(self, streams: list[Stream], stream: Stream, seq: int) -> pb.Frame | None:
        """The frame of that seq, if it can be read."""
        frame, _, _ = next(self._frames(streams, stream, seq), (None, None, None))
        return frame if frame is not None and frame.seq == seq else None

    def find_layout(self, streams: list[Stream], layout_id: bytes) -> Layout | None:
        """The layout, wherever in the spool it is; the first time that takes as long as reading all of it."""
        if not self._layouts.looked_for(layout_id):
            for segment in [one for stream in streams for one in stream.segments]:
                for record in records_in(self._directory, segment):
                    if record.kind == Kind.LAYOUT:
                        self._layouts.learn(record.payload)
                if self._layouts.looked_for(layout_id):
                    break
            else:
                self._layouts.miss(layout_id)
        return self._layouts.get(layout_id)

    def forget(self, segment: Segment) -> None:
        """It is about to go."""
        if self._place and self._place.segment is segment:
            self._place = None
        if self._file and self._file[0] is segment:
            self.close()

    def close(self) -> None:
        """Let go of the file that was read last."""
        if self._file:
            file = self._file[1]
            self._file = None
            file.close()

    def _frames(self, streams: list[Stream], stream: Stream, seq: int) -> Iterator[tuple[pb.Frame, Record, Segment]]:
        """Every good frame from `seq` on, and where it is."""
        index, offset = self._start(stream, seq)
        for segment in stream.segments[index:]:
            for record in self._records(segment, offset):
                if record.kind == Kind.LAYOUT:
                    self._layouts.learn(record.payload)
                elif record.kind == Kind.FRAME and seq <= record.seq <= segment.last_seq:
                    # What may have been told to be lost stays so, should a power cut bring back its segment.
                    frame = None if stream.gaps.has(record.seq) else _frame(record)
                    if frame is not None and self.find_layout(streams, frame.layout_id) is not None:
                        yield frame, record, segment
                        seq = record.seq + 1
            offset = HEADER_BYTES

    def _start(self, stream: Stream, seq: int) -> tuple[int, int]:
        """The index of the segment to start in, and the offset in it."""
        place = self._place
        if place is not None and place.seq == seq and place.segment in stream.segments:
            return stream.segments.index(place.segment), place.offset
        return stream.index_of(seq), HEADER_BYTES

    def _records(self, segment: Segment, offset: int) -> Iterator[Record]:
        """The records of a segment; of one that the disk does not give back, those before that."""
        if offset >= segment.size:
            return
        try:
            if self._file is None or self._file[0] is not segment:
                self.close()
                self._file = (segment, self._directory.open(segment.name))
            yield from records_of(self._file[1], segment.salt, offset, segment.size)
        except OSError as error:
            if error.errno not in UNREADABLE:
                raise

    def _skip(self, found: Portion, stream: Stream, first: int, last: int) -> None:
        """Nothing from `first` to `last` can be read: it is lost, for a reason that is known or by damage."""
        if first <= last:
            self.damaged += stream.lose(first, last, pb.GAP_REASON_DAMAGED)
            found.gaps += stream.gaps.within(first, last)


def _frame(record: Record) -> pb.Frame | None:
    """The frame of a record; None if it is not what the record says."""
    try:
        frame = pb.Frame.FromString(record.payload)
    except DecodeError:
        return None
    return frame if frame.seq == record.seq else None
