"""Reads the fleet as it last was back from history, for a Redis that has lost it or never knew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import AsyncConnection

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.metric import Kind, Layout, Metric, Series

_NAMES = "SELECT name FROM machines"
# The newest frame is the one that the cursor of the stream that moved last is at: times are as wrong as the machine's
# clock. Where that is no frame (a gap, one that was refused or dropped), it is the newest by time. Its seq is then at
# most the cursor's, and what comes next is beyond that.
_MACHINES = """
SELECT m.name, m.stream, m.interval_seconds, m.agent_version, m.facts, m.tags,
    (extract(epoch FROM f.time) * 1000000)::bigint, f.layout, f.values, s.stream, s.durable_seq
FROM machines m
LEFT JOIN LATERAL (
    SELECT id, durable_time FROM streams WHERE machine = m.id ORDER BY moved DESC, id DESC LIMIT 1) AS newest ON true
LEFT JOIN LATERAL (
    (SELECT * FROM frames WHERE machine = m.id AND time = newest.durable_time AND stream = newest.id)
    UNION ALL
    (SELECT * FROM frames WHERE machine = m.id ORDER BY time DESC LIMIT 1)
    LIMIT 1) AS f ON true
LEFT JOIN streams s ON s.id = f.stream
WHERE m.name = ANY(%s)
"""
_SERIES = """
SELECT s.layout, m.name, m.unit, m.kind, m.help, m.instance_label, s.instance
FROM series s JOIN metrics m ON m.id = s.metric
WHERE s.layout = ANY(%s) ORDER BY s.layout, s.position
"""


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest frame of a machine, the stream that it is of, and the layout that it names.

    The frame's seq is that up to which its stream is settled, which may be more than its own was.
    """

    stream: bytes
    frame: pb.Frame
    layout: Layout


@dataclass(frozen=True, slots=True)
class Recalled:
    """A machine as history has it; `newest` is None if no frame of it was ever stored."""

    hello: pb.Hello
    newest: Newest | None


async def machine_names(connection: AsyncConnection) -> list[str]:
    """Every machine that history knows."""
    return [name for (name,) in await (await connection.execute(_NAMES)).fetchall()]


async def recall(connection: AsyncConnection, machines: Iterable[str]) -> list[Recalled]:
    """What history knows of `machines`."""
    rows = await (await connection.execute(_MACHINES, (list(machines),))).fetchall()
    layouts = await _layouts(connection, {row[7] for row in rows if row[7] is not None})
    recalled = []
    for name, hello_stream, interval, version, facts, tags, time_us, layout_number, values, stream, seq in rows:
        hello = pb.Hello(
            machine=name, stream=hello_stream, interval_seconds=interval, agent_version=version, facts=facts, tags=tags
        )
        newest = None
        if layout_number is not None:
            layout = layouts[layout_number]
            frame = pb.Frame(seq=seq, time_us=time_us, layout_id=layout.id, values=values)
            newest = Newest(stream, frame, layout)
        recalled.append(Recalled(hello, newest))
    return recalled


async def _layouts(connection: AsyncConnection, numbers: set[int]) -> dict[int, Layout]:
    series: dict[int, list[Series]] = {}
    rows = await connection.execute(_SERIES, (list(numbers),))
    for number, name, unit, kind, help_text, label, instance in await rows.fetchall():
        series.setdefault(number, []).append(Series(Metric(name, unit, Kind(kind), help_text, label), instance))
    return {number: Layout(tuple(names)) for number, names in series.items()}
