"""The short numbers by which `frames` names machines, streams and layouts; made in the transaction that needs them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from psycopg import AsyncCursor

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.aggregatord.history.faults import VanishedError
from sysmonstm.metric import Layout, Metric

# In order of name, those that are there before those that are not: two aggregators that lock rows in opposite orders
# would deadlock.
_LOCK_MACHINES = "SELECT FROM machines WHERE name = ANY(%s) ORDER BY name FOR NO KEY UPDATE"
_MACHINES = """
INSERT INTO machines (name, stream, interval_seconds, agent_version, facts, tags)
SELECT name, stream, interval_seconds, agent_version, facts::jsonb, string_to_array(tags, ',')
FROM unnest(%s::text[], %s::bytea[], %s::real[], %s::text[], %s::text[], %s::text[])
    AS new (name, stream, interval_seconds, agent_version, facts, tags)
ORDER BY name
ON CONFLICT (name) DO UPDATE SET stream = excluded.stream, interval_seconds = excluded.interval_seconds,
    agent_version = excluded.agent_version, facts = excluded.facts, tags = excluded.tags
RETURNING name, id, xmax = 0
"""
_SKEWS = """
UPDATE machines SET skew_seconds = new.seconds
FROM unnest(%s::text[], %s::float8[]) AS new (name, seconds)
WHERE machines.name = new.name AND abs(machines.skew_seconds - new.seconds) > %s
"""
# A stream that is there already must not be locked so early: another aggregator may hold frames of it, wait for this
# transaction's, and want the stream's row in the end.
_NEW_STREAMS = """
INSERT INTO streams (stream, machine) SELECT stream, machine
FROM unnest(%s::bytea[], %s::integer[]) AS new (stream, machine) ORDER BY stream ON CONFLICT DO NOTHING
"""
_STREAMS = "SELECT stream, id FROM streams WHERE stream = ANY(%s)"
_LAYOUT = "INSERT INTO layouts (hash) VALUES (%s) ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash RETURNING id"
_METRICS = """
INSERT INTO metrics (name, unit, kind, help, instance_label)
SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) AS new (a, b, c, d, e)
ORDER BY a, b, c, d, e ON CONFLICT DO NOTHING
"""
_SERIES = """
INSERT INTO series (layout, position, metric, instance)
SELECT %s, new.position, metrics.id, new.instance
FROM unnest(%s::integer[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
    AS new (position, instance, name, unit, kind, help, instance_label)
JOIN metrics USING (name, unit, kind, help, instance_label)
ON CONFLICT DO NOTHING
"""
# So many are sent at once; the event loop has its turn in between.
_SERIES_AT_ONCE = 500
_HELLOS_AT_ONCE = 100

# Machines and streams come and go: beyond this all are looked up anew.
MOST_NAMES = 100_000
# A clock that is off by less than this is not worth a row.
SKEW_SECONDS = 1.0


@dataclass(slots=True)
class Identities:
    """What is known to be committed. A transaction works on a copy (`fork`), which replaces this one at its commit."""

    machines: dict[str, int] = field(default_factory=dict)
    streams: dict[bytes, int] = field(default_factory=dict)
    layouts: dict[bytes, int] = field(default_factory=dict)
    # Streams whose gaps are all known to have an end.
    whole: set[int] = field(default_factory=set)

    @property
    def too_many(self) -> bool:
        """Whether it is time to begin with none."""
        return len(self.machines) + len(self.streams) + len(self.layouts) > MOST_NAMES

    def fork(self) -> Identities:
        """A copy for one transaction."""
        return Identities(dict(self.machines), dict(self.streams), dict(self.layouts), set(self.whole))

    async def meet(self, cursor: AsyncCursor, hellos: Iterable[pb.Hello], skews: Mapping[str, float]) -> list[str]:
        """Write down what machines say of themselves and how far their clocks are ahead; the names of the new ones."""
        newest = {hello.machine: hello for hello in hellos}
        if not newest and not skews:
            return []
        await cursor.execute(_LOCK_MACHINES, (sorted(newest.keys() | skews.keys()),))
        in_order, new = [newest[name] for name in sorted(newest)], []
        for start in range(0, len(in_order), _HELLOS_AT_ONCE):
            columns = _hello_columns(in_order[start : start + _HELLOS_AT_ONCE])
            for name, number, is_new in await (await cursor.execute(_MACHINES, columns)).fetchall():
                self.machines[name] = number
                if is_new:
                    new.append(name)
        if skews:
            await cursor.execute(_SKEWS, (list(skews), list(skews.values()), SKEW_SECONDS))
        return new

    async def ensure_streams(self, cursor: AsyncCursor, machine_by_stream: Mapping[bytes, str]) -> None:
        """Make sure that each stream has a number; VanishedError if one goes meanwhile."""
        missing = sorted(machine_by_stream.keys() - self.streams.keys())
        if not missing:
            return
        machines = [self.machines[machine_by_stream[stream]] for stream in missing]
        await cursor.execute(_NEW_STREAMS, (missing, machines))
        self.streams |= dict(await (await cursor.execute(_STREAMS, (missing,))).fetchall())
        if not machine_by_stream.keys() <= self.streams.keys():
            raise VanishedError

    async def ensure_layouts(self, cursor: AsyncCursor, layouts: Mapping[bytes, Layout]) -> None:
        """Make sure that each layout has a number, and its series their names."""
        missing = [layout for layout_id, layout in sorted(layouts.items()) if layout_id not in self.layouts]
        metrics = {_columns(metric) for layout in missing for metric in layout.metrics}
        if metrics:
            # All of them before the first layout, for the order of locks.
            await cursor.execute(_METRICS, [list(column) for column in zip(*metrics, strict=True)])
        for layout in missing:
            self.layouts[layout.id] = await _store_layout(cursor, layout)


def _hello_columns(hellos: Sequence[pb.Hello]) -> tuple[list[object], ...]:
    return (
        [hello.machine for hello in hellos],
        [hello.stream for hello in hellos],
        [hello.interval_seconds for hello in hellos],
        [hello.agent_version for hello in hellos],
        [json.dumps(dict(hello.facts)) for hello in hellos],
        # A tag has no comma in it; unnest would take lists of lists apart down to the words.
        [",".join(hello.tags) for hello in hellos],
    )


def _columns(metric: Metric) -> tuple[str, str, str, str, str]:
    return (metric.name, metric.unit, str(metric.kind), metric.help, metric.instance_label)


async def _store_layout(cursor: AsyncCursor, layout: Layout) -> int:
    row = await (await cursor.execute(_LAYOUT, (layout.id,))).fetchone()
    assert row is not None
    for start in range(0, len(layout.series), _SERIES_AT_ONCE):
        part = layout.series[start : start + _SERIES_AT_ONCE]
        positions = list(range(start + 1, start + 1 + len(part)))
        metrics = zip(*(_columns(one.metric) for one in part), strict=True)
        columns = [positions, [one.instance for one in part], *map(list, metrics)]
        await cursor.execute(_SERIES, (row[0], *columns))
    return int(row[0])
