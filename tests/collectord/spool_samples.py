"""Samples for spools, and all that is in a spool."""

from __future__ import annotations

from dataclasses import dataclass, field

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool.spool import Spool
from sysmonstm.metric import Kind, Layout, Metric, Series

LAYOUTS = [
    Layout(tuple(Series(Metric(f"a.b{number}", "count", Kind.GAUGE, ""), str(one)) for one in range(number + 1)))
    for number in range(3)
]
BOOT = b"this boot's uuid"
OTHER_BOOT = b"another boot's u"


def sample(number: int) -> tuple[int, Layout, list[float]]:
    """Time, layout and values that follow from a number and from no other."""
    layout = LAYOUTS[number % len(LAYOUTS)]
    return 1_000_000 + number, layout, [float(number)] * len(layout.series)


def is_sample(frame: pb.Frame, number: int) -> bool:
    time_us, layout, values = sample(number)
    return (frame.time_us, frame.layout_id, list(frame.values)) == (time_us, layout.id, values)


@dataclass
class Holdings:
    """All that is read from one stream: frames by seq, and the reason of each seq that is lost."""

    frames: dict[int, pb.Frame] = field(default_factory=dict)
    lost: dict[int, pb.GapReason] = field(default_factory=dict)


def read_all(spool: Spool, stream: bytes, most_frames: int = 3, most_bytes: int = 10**6) -> Holdings:
    """Read a stream to its end. No seq is told twice, none is left out, and all are in order."""
    state = next(one for one in spool.state.streams if one.stream == stream)
    found, seq = Holdings(), state.acknowledged_seq
    while (portion := spool.read(stream, seq, most_frames, most_bytes)).last_seq:
        assert len(portion.frames) <= most_frames
        told = [(frame.seq, frame.seq) for frame in portion.frames]
        told += [(gap.first_seq, gap.last_seq) for gap in portion.gaps]
        for first, last in sorted(told):
            assert first == seq + 1
            assert last >= first
            seq = last
        assert [frame.seq for frame in portion.frames] == sorted(frame.seq for frame in portion.frames)
        assert [gap.first_seq for gap in portion.gaps] == sorted(gap.first_seq for gap in portion.gaps)
        found.frames |= {frame.seq: frame for frame in portion.frames}
        found.lost |= {lost: gap.reason for gap in portion.gaps for lost in range(gap.first_seq, gap.last_seq + 1)}
    assert seq == state.newest_seq
    return found
