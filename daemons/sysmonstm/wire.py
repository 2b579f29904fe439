"""Between the words of sysmonstm.metric and the messages of proto/sysmon/v1, and what a message may hold.

Everything here is a plain function. What comes from a machine is hostile until `check_*` has let it through.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.metric import METRIC_NAME, Kind, Layout, Metric, Series

MAX_SERIES = 10_000
MAX_FACTS = 64
MAX_FACTS_CHARACTERS = 8192
MAX_TEXT = 512
MAX_TAGS = 16
MAX_EVENTS = 100
MAX_EVENT_FIELDS = 16
# Of all events of a frame, so that it stays well within one message.
MAX_EVENTS_CHARACTERS = 524_288
MAX_SEQ = 2**63 - 1  # what PostgreSQL's bigint holds
STREAM_BYTES = 16
MACHINE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
TAG = re.compile(r"[A-Za-z0-9._:=/-]{1,64}")
UNIT_NAME = re.compile(r"[a-z][a-z/]{0,15}")
LABEL_NAME = re.compile(r"(?:[a-z][a-z0-9_]{0,31})?")
EVENT_KIND = METRIC_NAME
EVENT_FIELD = re.compile(r"[a-z][a-z0-9_]{0,31}")
# Families of events that are the hub's own to tell of: whoever reads of them can rely on it.
HUB_FAMILIES = frozenset({"alert", "events", "hub", "machine", "notification", "rules", "samples", "silence", "stream"})
# Collectors' clocks may be wrong, but not by decades: PostgreSQL and browsers take these times.
EARLIEST_US = 946_684_800_000_000  # 2000-01-01
FUTURE_US = 86_400_000_000  # one day
_INFINITIES = frozenset((math.inf, -math.inf))
_SEVERITIES = frozenset(pb.Severity.values())

_KIND_TO_WIRE = {Kind.GAUGE: pb.KIND_GAUGE, Kind.RATE: pb.KIND_RATE, Kind.FLAG: pb.KIND_FLAG}
_KIND_FROM_WIRE = {number: kind for kind, number in _KIND_TO_WIRE.items()} | {pb.KIND_UNSPECIFIED: Kind.GAUGE}

M = TypeVar("M", bound=Message)


class RefusedError(ValueError):
    """A message does not keep the contract. The sentence says how, and is fit to be sent back."""


class DamagedError(ValueError):
    """A message was changed on the way. Nothing in it is to be believed; its call ends, and all of it is sent again."""


class Sealer:
    """Seals the messages of one call and one way, in the order in which they are sent."""

    def __init__(self) -> None:
        self._count = 0

    def seal(self, message: Message) -> pb.Sealed:
        """The next message with its checksum, as both lanes carry it."""
        raw = message.SerializeToString()
        self._count += 1
        return pb.Sealed(message=raw, crc32=zlib.crc32(raw, self._count))


class Unsealer(Generic[M]):
    """Opens the messages of one call and one way, of type `kind`, in the order in which they come."""

    def __init__(self, kind: type[M]) -> None:
        self._kind = kind
        self._count = 0

    def unseal(self, sealed: pb.Sealed) -> M:
        """The next message; DamagedError unless it is as it was sent, and the one that was sent next."""
        self._count += 1
        if zlib.crc32(sealed.message, self._count) != sealed.crc32:
            raise DamagedError("a message was damaged on the way, or one before it is missing: its checksum is another")
        try:
            return self._kind.FromString(sealed.message)
        except DecodeError:
            raise DamagedError("a message cannot be read, though its checksum is right") from None


def layout_to_wire(layout: Layout) -> pb.Layout:
    """The message for a layout."""
    index = {metric: number for number, metric in enumerate(layout.metrics)}
    return pb.Layout(
        id=layout.id,
        metrics=[
            pb.Metric(
                name=metric.name,
                unit=metric.unit,
                kind=_KIND_TO_WIRE[metric.kind],
                help=metric.help,
                instance_label=metric.instance_label,
            )
            for metric in layout.metrics
        ],
        series=[pb.Series(metric=index[one.metric], instance=one.instance) for one in layout.series],
    )


def layout_from_wire(message: pb.Layout) -> Layout:
    """The layout of a message that keeps the contract; else RefusedError."""
    if not 0 < len(message.series) <= MAX_SERIES:
        raise RefusedError(f"a layout has 1 to {MAX_SERIES} series, not {len(message.series)}")
    metrics = [_metric_from_wire(metric) for metric in message.metrics]
    if any(one.metric >= len(metrics) for one in message.series):
        raise RefusedError("a series refers to a metric that the layout does not have")
    for one in message.series:
        _check_text("an instance", one.instance)
    layout = Layout(tuple(Series(metrics[one.metric], one.instance) for one in message.series))
    if len({(one.metric.name, one.instance) for one in layout.series}) != len(layout.series):
        raise RefusedError("a layout names a series twice")
    if layout.id != message.id:
        raise RefusedError("a layout's id is not the hash of its content")
    return layout


def _metric_from_wire(message: pb.Metric) -> Metric:
    if not METRIC_NAME.fullmatch(message.name):
        raise RefusedError(f"{message.name[:MAX_TEXT]!a} is no metric's name")
    if not UNIT_NAME.fullmatch(message.unit):
        raise RefusedError(f"{message.unit[:MAX_TEXT]!a} is no unit")
    if not LABEL_NAME.fullmatch(message.instance_label):
        raise RefusedError(f"{message.instance_label[:MAX_TEXT]!a} is no instance label")
    if message.kind not in _KIND_FROM_WIRE:
        raise RefusedError(f"kind {message.kind} is not known here")
    _check_text("a help text", message.help)
    return Metric(message.name, message.unit, _KIND_FROM_WIRE[message.kind], message.help, message.instance_label)


def _check_text(what: str, text: str) -> None:
    if len(text) > MAX_TEXT:
        raise RefusedError(f"{what} is longer than {MAX_TEXT} characters")
    if not text.isprintable():
        raise RefusedError(f"{what} has characters that cannot be printed")


def check_hello(hello: pb.Hello) -> None:
    """Raise RefusedError unless the hello keeps the contract."""
    if not MACHINE_NAME.fullmatch(hello.machine):
        raise RefusedError(
            f"{hello.machine[:MAX_TEXT]!a} is no machine name: at most 128 letters, digits, '.', '-' and '_'"
        )
    if len(hello.stream) != STREAM_BYTES:
        raise RefusedError(f"a stream id has {STREAM_BYTES} bytes, not {len(hello.stream)}")
    if not 0.1 <= hello.interval_seconds <= 3600:
        raise RefusedError("the interval is 0.1 to 3600 seconds")
    _check_text("the agent version", hello.agent_version)
    if len(hello.facts) > MAX_FACTS:
        raise RefusedError(f"a machine has at most {MAX_FACTS} facts")
    if sum(len(name) + len(value) for name, value in hello.facts.items()) > MAX_FACTS_CHARACTERS:
        raise RefusedError(f"a machine's facts have at most {MAX_FACTS_CHARACTERS} characters in all")
    for name, value in hello.facts.items():
        _check_text("a fact's name", name)
        _check_text("a fact", value)
    check_tags(hello.tags)


def check_tags(tags: Sequence[str]) -> None:
    """Raise RefusedError unless a machine may have these tags."""
    if len(tags) > MAX_TAGS:
        raise RefusedError(f"a machine has at most {MAX_TAGS} tags, not {len(tags)}")
    for number, tag in enumerate(tags):
        if not TAG.fullmatch(tag):
            raise RefusedError(f"{tag[:MAX_TEXT]!a} is no tag: at most 64 letters, digits, and any of . - _ : = /")
        if tag in tags[:number]:
            raise RefusedError(f"{tag} is given twice")


def check_frame(frame: pb.Frame, layout: Layout, now_us: int, earliest_us: int = EARLIEST_US) -> None:
    """Raise RefusedError unless the frame and its events keep the contract; `layout` is the one that it names.

    Times of before `earliest_us` are refused: frames that old would not be kept.
    """
    if len(frame.values) != len(layout.series):
        raise RefusedError(f"{len(frame.values)} values for {len(layout.series)} series")
    if not 1 <= frame.seq <= MAX_SEQ:
        raise RefusedError(f"a seq is 1 to {MAX_SEQ}")
    if frame.time_us > now_us + FUTURE_US:
        raise RefusedError("its time is more than a day ahead")
    if frame.time_us < max(earliest_us, EARLIEST_US):
        raise RefusedError("its time is before all that is kept")
    # Quicker than math.isinf of each, and it does not matter whether there are NaNs.
    if not _INFINITIES.isdisjoint(frame.values):
        raise RefusedError("a value is infinite")
    if frame.events:
        check_events(frame.events)


def check_events(events: Sequence[pb.Event]) -> None:
    """Raise RefusedError unless the events of a frame keep the contract. Their times are nobody's fault: see there."""
    if len(events) > MAX_EVENTS:
        raise RefusedError(f"a frame has at most {MAX_EVENTS} events")
    if sum(map(_characters, events)) > MAX_EVENTS_CHARACTERS:
        raise RefusedError(f"the events of a frame have at most {MAX_EVENTS_CHARACTERS} characters in all")
    for event in events:
        _check_event(event)


def events_that_fit(events: Iterable[pb.Event]) -> int:
    """How many of these events, from the first on, one frame can carry."""
    count = characters = 0
    for event in events:
        characters += _characters(event)
        if count == MAX_EVENTS or characters > MAX_EVENTS_CHARACTERS:
            break
        count += 1
    return count


def _characters(event: pb.Event) -> int:
    return len(event.kind) + len(event.message) + sum(len(name) + len(text) for name, text in event.fields.items())


def _check_event(event: pb.Event) -> None:
    if not EVENT_KIND.fullmatch(event.kind):
        raise RefusedError(f"{event.kind[:MAX_TEXT]!a} is no kind of event")
    if event.kind.partition(".")[0] in HUB_FAMILIES:
        raise RefusedError(f"an event {event.kind} is the hub's own to tell of")
    if event.severity not in _SEVERITIES:
        raise RefusedError(f"severity {event.severity} is not known here")
    _check_text("an event's message", event.message)
    if len(event.fields) > MAX_EVENT_FIELDS:
        raise RefusedError(f"an event has at most {MAX_EVENT_FIELDS} fields")
    for name, text in event.fields.items():
        if not EVENT_FIELD.fullmatch(name):
            raise RefusedError(f"{name[:MAX_TEXT]!a} is no name of an event's field")
        _check_text("an event's field", text)


def mend_event_times(frame: pb.Frame, now_us: int, earliest_us: int = EARLIEST_US) -> None:
    """Give events whose times cannot be the time of their frame; where that cannot be either, that of the hub."""

    def can_be(time_us: int) -> bool:
        return max(earliest_us, EARLIEST_US) <= time_us <= now_us + FUTURE_US

    for event in frame.events:
        if not can_be(event.time_us):
            event.time_us = frame.time_us if can_be(frame.time_us) else now_us


def without_events(frame: pb.Frame) -> pb.Frame:
    """The frame as the live lane shows it."""
    if not frame.events:
        return frame
    bare = pb.Frame()
    bare.CopyFrom(frame)
    bare.ClearField("events")
    return bare


def json_values(values: Iterable[float]) -> str:
    """Values as the text of a JSON array: seven digits, about what a float32 holds, and null for what is no number."""
    # Neither NaN nor an infinity, which JSON has no words for, gives 0 when taken from itself.
    return f"[{','.join([f'{value:.7g}' if value - value == 0 else 'null' for value in values])}]"
