"""What collectors send, made short: hellos, layouts, frames and batches that keep the contract."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.aggregatord.allowance import Pace
from sysmonstm.aggregatord.layouts import LayoutBook
from sysmonstm.aggregatord.session import CheckedBatch, Session
from sysmonstm.metric import Kind, Layout, Metric, Series
from sysmonstm.wire import layout_to_wire

WINDOW = 8
PACE = Pace(WINDOW, 1000)
OLDEST_SECONDS = 10 * 366 * 86_400.0
START_US = 1_750_000_000_000_000


def layout(number: int = 0, width: int = 2) -> Layout:
    metric = Metric(f"test.metric{number}", "count", Kind.GAUGE, "A test's", "instance")
    return Layout(tuple(Series(metric, str(instance)) for instance in range(width)))


def now_us() -> int:
    return time.time_ns() // 1000


def stream_of(machine: str) -> bytes:
    return machine.encode().ljust(16, b".")[:16]


def hello(machine: str = "web1", **facts: str) -> pb.Hello:
    return pb.Hello(
        machine=machine, stream=stream_of(machine), interval_seconds=5.0, agent_version="0.1.0", facts=facts
    )


def frame(seq: int, of: Layout | None = None, values: Sequence[float] | None = None, time_us: int = 0) -> pb.Frame:
    of = of or layout()
    given = [float(seq)] * len(of.series) if values is None else values
    return pb.Frame(seq=seq, time_us=time_us or START_US + seq, layout_id=of.id, values=given)


def batch(*frames: pb.Frame, gaps: Sequence[pb.Gap] = (), sent_us: int = 0) -> pb.Batch:
    return pb.Batch(frames=frames, gaps=gaps, sent_us=sent_us)


def gap(first: int, last: int, reason: pb.GapReason = pb.GAP_REASON_SHED) -> pb.Gap:
    return pb.Gap(first_seq=first, last_seq=last, reason=reason)


def book(*layouts: Layout) -> LayoutBook:
    known = LayoutBook()
    for one in layouts or (layout(),):
        known.learn(layout_to_wire(one))
    return known


def session(known: LayoutBook | None = None, machine: str = "web1", pace: Pace = PACE) -> Session:
    """One that is welcomed."""
    new = Session(hello(machine), book() if known is None else known, OLDEST_SECONDS)
    new.welcome(pace)
    return new


def give(to: Session, *frames: pb.Frame, gaps: Sequence[pb.Gap] = ()) -> None:
    """A batch comes."""
    message = batch(*frames, gaps=gaps)
    to.batch(message, message.ByteSize())


def take(of: Session) -> list[CheckedBatch]:
    """All that can be looked at now."""
    return [one for one in of.checked(now_us()) if one]


def checked(machine: str, seqs: Sequence[int], of: Layout | None = None, gaps: Sequence[pb.Gap] = ()) -> CheckedBatch:
    """A batch of a session of its own, looked at."""
    of = of or layout()
    one = session(book(of), machine)
    give(one, *(frame(seq, of) for seq in seqs), gaps=gaps)
    (result,) = take(one)
    return result


def event(what: str = "failed", family: str = "unit", time_us: int = 0, **fields: str) -> pb.Event:
    """A unit's, without a time of its own where none is given."""
    kind = f"{family}.{what}"
    return pb.Event(
        kind=kind, severity=pb.SEVERITY_WARNING, time_us=time_us, message=f"nginx.service has {what}", fields=fields
    )


def telling(told_by: pb.Frame, *events: pb.Event) -> pb.Frame:
    """The frame with these events."""
    told_by.events.extend(events)
    return told_by
