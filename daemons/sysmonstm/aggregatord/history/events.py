"""What people are told of by history: rows of `events`, and as their readers see them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from psycopg import AsyncCursor

_EVENTS = """
INSERT INTO events (time, kind, severity, machine, message, fields)
SELECT coalesce(timestamptz 'epoch' + time_us * interval '1 microsecond', now()),
    kind, severity, machine, message, fields::jsonb
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY
    AS new (time_us, kind, severity, machine, message, fields, place)
ORDER BY place
RETURNING id, extract(epoch FROM time)::float8
"""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `kind` is a stable name for programs, `message` a sentence for people.

    `time_us` is microseconds since 1970; None is now.
    """

    kind: str
    severity: str
    machine: str
    message: str
    fields: dict[str, object] = field(default_factory=dict)
    time_us: int | None = None


def joined(machine: str) -> Event:
    """A machine was never seen before."""
    return Event("machine.new", "info", machine, f"{machine} has joined the fleet")


_LOST = {
    "shed": "its spool was full",
    "damaged": "its spool could not be read back",
    "unknown": "it did not say why",
}


def lost(machine: str, reason: str, frames: int) -> Event:
    """Frames will never come; `reason` as in table gaps."""
    samples = "1 sample" if frames == 1 else f"{frames} samples"
    message = f"{machine} has lost {samples}: {_LOST[reason]}"
    return Event("samples.lost", "warning", machine, message, {"frames": frames, "reason": reason})


def refused(machine: str, stream: bytes, reason: str, frames: int) -> Event:
    """Frames of a stream are refused, for a reason that this stream's were not refused for before."""
    message = f"samples of {machine} are refused: {reason}"
    fields = {"stream": stream.hex(), "reason": reason, "frames": frames}
    return Event("samples.refused", "warning", machine, message, fields)


def doubled(machine: str, streams: Iterable[bytes]) -> Event:
    """More than one host sends under one name."""
    message = (
        f"two hosts send under the name {machine} at the same time; give each a COLLECTOR_MACHINE_ID of its own. "
        "Their samples are kept apart"
    )
    return Event("machine.doubled", "warning", machine, message, {"streams": sorted(one.hex() for one in streams)})


def dropped(machine: str, count: int) -> Event:
    """A machine told of more than is stored."""
    told = "1 event" if count == 1 else f"{count} events"
    message = f"{told} of {machine} {'was' if count == 1 else 'were'} dropped: it tells of too many"
    return Event("events.dropped", "warning", machine, message, {"events": count})


def not_taken(machine: str, reason: str, count: int) -> Event:
    """The database refuses what a machine tells of."""
    message = f"events of {machine} are refused: {reason}"
    return Event("events.refused", "warning", machine, message, {"reason": reason, "events": count})


async def store(cursor: AsyncCursor, events: Sequence[Event]) -> list[dict[str, object]]:
    """Store them; each as /api/events shows it."""
    if not events:
        return []
    columns = (
        [one.time_us for one in events],
        [one.kind for one in events],
        [one.severity for one in events],
        [one.machine for one in events],
        [one.message for one in events],
        [json.dumps(one.fields) for one in events],
    )
    rows = await (await cursor.execute(_EVENTS, columns)).fetchall()
    return [
        {
            "id": number,
            "time": time,
            "kind": one.kind,
            "severity": one.severity,
            "machine": one.machine,
            "message": one.message,
            "fields": dict(one.fields),
        }
        for one, (number, time) in zip(events, rows, strict=True)
    ]
