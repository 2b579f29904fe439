"""Finds out what a spool holds, whatever has befallen it: by the headers of its segments, and the last ones' records.

What is damaged further in is found when it is read. So a spool of any size opens at once.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import logs
from sysmonstm.collectord.spool import records
from sysmonstm.collectord.spool.files import Directory
from sysmonstm.collectord.spool.records import HEADER_BYTES, Kind
from sysmonstm.collectord.spool.segment import Record, Segment, records_of
from sysmonstm.collectord.spool.stream import Stream
from sysmonstm.config import UserError

log = logs.logger(__name__)

# After the end of a segment whose name ends like this, seqs were given out that it does not know of.
INCOMPLETE = ".incomplete"
_NAME = re.compile(rf"(\d{{20}})\.spool(?:{re.escape(INCOMPLETE)})?")

# What a read says of a disk or a file that has lost something, not of a process that lacks something.
UNREADABLE = {errno.EIO, errno.ENODATA, errno.EUCLEAN, errno.EBADMSG, errno.ENOENT, errno.ESTALE, errno.ELOOP}


def name_of(number: int) -> str:
    """The file name of a segment; they are ordered by it."""
    return f"{number:020}.spool"


@dataclass(slots=True)
class Found:
    """What is there. Streams are oldest first.

    `goes_on`: the last stream may be gone on with. In another boot none may: a power cut may have taken its end, and
    copies of one machine's disk would give out the same seqs. `damaged` counts frames that are lost with segments that
    cannot be read.
    """

    streams: list[Stream] = field(default_factory=list)
    goes_on: bool = False
    next_number: int = 1
    damaged: int = 0

    def segments_of(self, boot: bytes) -> list[Segment]:
        """Those that were begun in that boot."""
        segments = (segment for stream in self.streams for segment in stream.segments)
        return [segment for segment in segments if segment.header.boot == boot]


def find(directory: Directory, boot: bytes) -> Found:
    """Read the directory; deletes what no one could ever read. `boot` is this boot of the machine."""
    names = sorted(name for name in directory.names() if _NAME.fullmatch(name))
    found = Found(next_number=int(names[-1][:20]) + 1 if names else 1)
    names = [name for name in names if _is_file(directory, name)]
    segments = [_opened(directory, name) for name in names]
    for segment in segments:
        if segment is not None:
            _place(found, segment)
    # In the order of the streams: what the newest segment says comes last.
    for stream in list(found.streams):
        _read_end(directory, found, stream, stream.segments[-1] is segments[-1], boot)
    if segments and segments[-1] is None:
        # What it held follows on nothing that is known, so it is in no gap.
        log.warning("spool.damaged", "the file had the newest samples: how many cannot be known", file=names[-1])
    for stream in found.streams:
        unreadable = segments[0] is None and stream is found.streams[0]
        _lose_front(found, stream, pb.GAP_REASON_DAMAGED if unreadable else pb.GAP_REASON_SHED)
    found.streams = [stream for stream in found.streams if stream.segments or not stream.settled]
    return found


def _is_file(directory: Directory, name: str) -> bool:
    """Whether it is no directory, link, pipe or the like."""
    try:
        if directory.is_file(name):
            return True
    except OSError:
        # Opening it will say why.
        return True
    log.warning("spool.strange", "what has the name of a file of samples is none: it is left alone", name=name)
    return False


def _opened(directory: Directory, name: str) -> Segment | None:
    """The segment; None if it says nothing of itself, and then it is gone."""
    try:
        file = directory.open(name)
        try:
            header = records.decoded_header(file.read(0, HEADER_BYTES))
        finally:
            file.close()
        if header is not None:
            return Segment(name, header, directory.size(name))
    except PermissionError as error:
        raise UserError(
            f"the waiting samples in {name} may not be read: {error.strerror}; give it to the collector's user, "
            "or choose another directory with COLLECTOR_SPOOL_DIRECTORY"
        ) from None
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise
    log.warning("spool.damaged", "a file of waiting samples cannot be read: they are lost", file=name)
    try:
        directory.unlink(name)
    except OSError as error:
        log.warning("spool.stuck", f"a file that cannot be read cannot be deleted either: {error.strerror}", file=name)
    return None


def _place(found: Found, segment: Segment) -> None:
    """Give a segment to its stream. Where the one before it ends, it says by where it begins."""
    header = segment.header
    stream = next((one for one in found.streams if one.id == header.stream), None)
    if stream is None:
        stream = Stream(header.stream)
        found.streams.append(stream)
    if stream.segments:
        stream.segments[-1].last_seq = header.first_seq - 1
    stream.segments.append(segment)
    stream.acknowledged = max(stream.acknowledged, header.acknowledged_seq)
    stream.newest = max(stream.newest, header.first_seq - 1)


def _read_end(directory: Directory, found: Found, stream: Stream, is_newest: bool, boot: bytes) -> None:
    """Read the last segment of a stream; the newest of all says whether its stream may be gone on with."""
    segment = stream.segments[-1]
    last: Record | None = None
    for last in records_in(directory, segment):
        if last.kind == Kind.FRAME:
            stream.newest = max(stream.newest, last.seq)
        elif last.kind == Kind.ACK:
            _take_in_ack(found, last)
        elif last.kind == Kind.GAP and is_newest:
            _take_in_gap(found, last)
    segment.last_seq = stream.newest
    if is_newest:
        whole = (last.end if last else HEADER_BYTES) == segment.size and not segment.name.endswith(INCOMPLETE)
        found.goes_on = whole and segment.header.boot == boot and found.streams[-1] is stream


def records_in(directory: Directory, segment: Segment) -> Iterator[Record]:
    """The records of a segment, as far as it can be read."""
    try:
        file = directory.open(segment.name)
        try:
            yield from records_of(file, segment.salt, HEADER_BYTES, segment.size)
        finally:
            file.close()
    except OSError as error:
        if error.errno not in UNREADABLE:
            raise


def _take_in_ack(found: Found, record: Record) -> None:
    if (decoded := records.decoded_ack(record.payload)) is not None:
        stream_id, newest = decoded
        stream = _named(found, stream_id, record.seq)
        stream.newest = max(stream.newest, newest, record.seq)
        stream.acknowledge(record.seq)


def _take_in_gap(found: Found, record: Record) -> None:
    if (decoded := records.decoded_gap(record.seq, record.payload)) is not None:
        stream_id, gap = decoded
        stream = _named(found, stream_id, gap.first_seq - 1)
        stream.newest = max(stream.newest, gap.last_seq)
        stream.lose(gap.first_seq, gap.last_seq, gap.reason)


def _named(found: Found, stream_id: bytes, settled: int) -> Stream:
    """The stream of that name; one of which no segment is left is older than all that have some."""
    for stream in found.streams:
        if stream.id == stream_id:
            return stream
    stream = Stream(stream_id, acknowledged=settled, newest=settled)
    found.streams.insert(next(number for number, one in enumerate(found.streams) if one.segments), stream)
    return stream


def _lose_front(found: Found, stream: Stream, reason: pb.GapReason) -> None:
    """What is neither settled nor in a segment, before the first one, is lost."""
    last = stream.segments[0].header.first_seq - 1 if stream.segments else stream.newest
    lost = stream.lose(1, last, reason)
    found.damaged += lost if reason == pb.GAP_REASON_DAMAGED else 0
