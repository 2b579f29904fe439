"""Batches as sessions hand them to history, made without a session's checks."""

from __future__ import annotations

from collections.abc import Sequence

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.aggregatord.layouts import LayoutBook
from sysmonstm.aggregatord.session import CheckedBatch, CheckedFrame, RejectedFrame, Session
from sysmonstm.metric import Layout
from tests.aggregatord.samples import frame, hello, layout

A_DECADE_SECONDS = 3e8
STEP_US = 1_000_000


def session(machine: str = "web1", stream: bytes = b"", **facts: str) -> Session:
    """A session; without `stream` it is of the machine's usual one."""
    said = hello(machine, **facts)
    if stream:
        said.stream = stream.ljust(16, b".")
    return Session(said, LayoutBook(), A_DECADE_SECONDS)


def batch_of(
    of: Session,
    seqs: Sequence[int] = (),
    *,
    gaps: Sequence[pb.Gap] = (),
    rejected: Sequence[RejectedFrame] = (),
    start_us: int = 0,
    follows: Layout | None = None,
) -> CheckedBatch:
    """A batch; frames have their seq as their first value, and times a second apart from `start_us` (at seq 0) on."""
    follows = follows or layout()
    frames = [frame(seq, follows, time_us=start_us and start_us + seq * STEP_US) for seq in seqs]
    last_frame = max(frames, key=lambda one: one.seq, default=None)
    last_seq = max([*seqs, *(gap.last_seq for gap in gaps), *(one.frame.seq for one in rejected)])
    return CheckedBatch(
        of,
        [CheckedFrame(one, follows) for one in frames],
        list(rejected),
        list(gaps),
        last_seq,
        last_frame.time_us if last_frame and last_frame.seq == last_seq else 0,
        sum(one.ByteSize() for one in frames),
    )


def rejected_frame(seq: int, reason: str, values: Sequence[float] = (1.0, 2.0), time_us: int = 1) -> RejectedFrame:
    return RejectedFrame(frame(seq, values=values, time_us=time_us), layout(), reason)


def shed(first: int, last: int) -> pb.Gap:
    return pb.Gap(first_seq=first, last_seq=last, reason=pb.GAP_REASON_SHED)


def checked(machine: str, seqs: Sequence[int], of: Layout | None = None) -> CheckedBatch:
    """A batch of frames alone, of a session of its own."""
    return batch_of(session(machine), seqs, follows=of)
