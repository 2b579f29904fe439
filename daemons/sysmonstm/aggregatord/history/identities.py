"""The short numbers by which `frames` names machines, streams and layouts; made in the transaction that needs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from psycopg import AsyncCursor
from psycopg.types.json import Jsonb

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.metric import Layout, Metric

_MACHINE = """
INSERT INTO machines (name, stream, interval_seconds, agent_version, facts) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET stream = excluded.stream, interval_seconds = excluded.interval_seconds,
    agent_version = excluded.agent_version, facts = excluded.facts
RETURNING id, xmax = 0
"""
# A stream that is there already must not be locked so early: another aggregator may hold frames of it, wait for this
# transaction's, and want the stream's row in the end.
_STREAM = "INSERT INTO streams (stream, machine) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_STREAMS = "SELECT stream, id FROM streams WHERE stream = ANY(%s)"
_LAYOUT = "INSERT INTO layouts (hash) VALUES (%s) ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash RETURNING id"
_METRICS = """
INSERT INTO metrics (name, unit, kind, help, instance_label) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_SERIES = """
INSERT INTO series (layout, position, metric, instance)
SELECT %s, %s, id, %s FROM metrics
WHERE (name, unit, kind, help, instance_label) = (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


@dataclass(slots=True)
class Identities:
    """What is known to be committed. A transaction works on a copy (`fork`), which replaces this one at its commit."""

    machines: dict[str, int] = field(default_factory=dict)
    streams: dict[bytes, int] = field(default_factory=dict)
    layouts: dict[bytes, int] = field(default_factory=dict)

    def fork(self) -> Identities:
        """A copy for one transaction."""
        return Identities(dict(self.machines), dict(self.streams), dict(self.layouts))

    async def meet(self, cursor: AsyncCursor, hellos: Iterable[pb.Hello]) -> list[str]:
        """Write down what machines say of themselves; the names of those never seen before.

        In order of name: two aggregators that lock rows in opposite orders would deadlock.
        """
        new = []
        for hello in sorted(hellos, key=lambda one: one.machine):
            facts = Jsonb(dict(hello.facts))
            values = (hello.machine, hello.stream, hello.interval_seconds, hello.agent_version, facts)
            row = await (await cursor.execute(_MACHINE, values)).fetchone()
            assert row is not None
            self.machines[hello.machine], inserted = row
            if inserted:
                new.append(hello.machine)
        return new

    async def ensure_streams(self, cursor: AsyncCursor, machine_by_stream: Mapping[bytes, str]) -> None:
        """Make sure that each stream has a number."""
        missing = sorted(machine_by_stream.keys() - self.streams.keys())
        if missing:
            await cursor.executemany(
                _STREAM, [(stream, self.machines[machine_by_stream[stream]]) for stream in missing]
            )
            self.streams |= dict(await (await cursor.execute(_STREAMS, (missing,))).fetchall())

    async def ensure_layouts(self, cursor: AsyncCursor, layouts: Mapping[bytes, Layout]) -> None:
        """Make sure that each layout has a number, and its series their names."""
        missing = [layout for layout_id, layout in sorted(layouts.items()) if layout_id not in self.layouts]
        metrics = {_columns(metric) for layout in missing for metric in layout.metrics}
        if metrics:
            # All of them before the first layout, for the order of locks.
            await cursor.executemany(_METRICS, sorted(metrics))
        for layout in missing:
            self.layouts[layout.id] = await _store_layout(cursor, layout)


def _columns(metric: Metric) -> tuple[str, str, str, str, str]:
    return (metric.name, metric.unit, str(metric.kind), metric.help, metric.instance_label)


async def _store_layout(cursor: AsyncCursor, layout: Layout) -> int:
    row = await (await cursor.execute(_LAYOUT, (layout.id,))).fetchone()
    assert row is not None
    await cursor.executemany(
        _SERIES,
        [
            (row[0], position, one.instance, *_columns(one.metric))
            for position, one in enumerate(layout.series, start=1)
        ],
    )
    return int(row[0])
