"""What happens on this machine between two samples: whoever sees something adds it, and the next sample carries it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import logs
from sysmonstm.logs import printable
from sysmonstm.wire import MAX_EVENT_FIELDS, MAX_EVENTS, MAX_TEXT

log = logs.logger(__name__)

# What may wait for a sample. Only a sampler that stands still makes it so many.
MOST_WAITING = 1000


class Severity(IntEnum):
    """How much it matters."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3


_ON_THE_WIRE = {
    Severity.INFO: pb.SEVERITY_INFO,
    Severity.WARNING: pb.SEVERITY_WARNING,
    Severity.CRITICAL: pb.SEVERITY_CRITICAL,
}

DROPPED = "collector.events_dropped"


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened: `kind` is `family.what`, `time_us` microseconds since 1970.

    Texts may be anything that a machine says: they are escaped and cut on their way out.
    """

    kind: str
    severity: Severity
    message: str
    fields: Mapping[str, str] = field(default_factory=dict)
    time_us: int = 0

    def to_wire(self) -> pb.Event:
        """As it is sent."""
        shown = {_text(name): _text(value) for name, value in list(self.fields.items())[:MAX_EVENT_FIELDS]}
        return pb.Event(
            kind=self.kind,
            severity=_ON_THE_WIRE[self.severity],
            time_us=self.time_us,
            message=_text(self.message),
            fields=shown,
        )


def _text(text: str) -> str:
    return (text if text.isprintable() else printable(text))[:MAX_TEXT]


class Happenings:
    """What waits for the next sample, in order. For one event loop; beyond MOST_WAITING the newest are dropped.

    `hurry` is called when something should not wait for its sample.
    """

    def __init__(self, hurry: Callable[[], None] = lambda: None) -> None:
        self.hurry = hurry
        self._waiting: list[Happening] = []
        self._dropped = 0

    def add(self, happening: Happening, *, urgent: bool = False) -> None:
        """It goes with the next sample. What is `urgent`, or at least a warning, has one taken early."""
        if len(self._waiting) >= MOST_WAITING:
            if not self._dropped:
                log.warning("events.dropped", "too many events wait for a sample; the newest are dropped and counted")
            self._dropped += 1
            return
        self._waiting.append(happening)
        if urgent or happening.severity >= Severity.WARNING:
            self.hurry()

    @property
    def wait(self) -> bool:
        """Whether there are any."""
        return bool(self._waiting)

    def take(self, now_us: int) -> tuple[pb.Event, ...]:
        """What the next sample carries; the rest goes with the one after it."""
        if self._dropped and len(self._waiting) < MOST_WAITING:
            self._waiting.append(_dropped(self._dropped, now_us))
            self._dropped = 0
        taken, self._waiting = self._waiting[:MAX_EVENTS], self._waiting[MAX_EVENTS:]
        if self._waiting:
            self.hurry()
        return tuple(one.to_wire() for one in taken)


def _dropped(count: int, now_us: int) -> Happening:
    sentence = f"{count} events were dropped: more came than samples could carry"
    return Happening(DROPPED, Severity.WARNING, sentence, {"count": str(count)}, now_us)
