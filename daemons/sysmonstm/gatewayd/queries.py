"""Everything that the gateway asks PostgreSQL; it only ever reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from sysmonstm.gatewayd.buckets import Buckets, Tier
from sysmonstm.gatewayd.parameters import EventsRequest, HistoryRequest
from sysmonstm.gatewayd.pool import Pool

POOL_SIZE = 4
MAX_GAPS = 1000

MACHINE = "SELECT id, interval_seconds, first_seen FROM machines WHERE name = %s"

# Minus infinity is a time that Python has no words for.
KEPT = """
SELECT (extract(epoch FROM step) * 1000000)::bigint, extract(epoch FROM kept_from)::double precision * 1000000
FROM tiers
"""

# One row for each instance: thousands of rows cost more to receive than to find.
HISTORY = """
SELECT instance, max(unit), array_agg(round(date_part('epoch', time - %(start)s) * 1000000 / %(step_us)s)::integer),
    array_agg(min), array_agg(mean), array_agg(max)
FROM history(%(name)s, %(metric)s, %(from)s, %(to)s, %(step)s, %(instance)s, %(stream)s, %(start)s)
WHERE count > 0 GROUP BY instance ORDER BY instance COLLATE "C" LIMIT %(most_series)s
"""

TIERS = 'SELECT tier, "from", "to" FROM history_tiers(%(from)s, %(to)s, %(step)s)'

# What the metric has ever meant, what this machine means by it now first.
MEANINGS = """
SELECT metrics.unit, metrics.kind, now.metric IS NOT NULL
FROM metrics LEFT JOIN (
    SELECT DISTINCT metric FROM series WHERE layout = coalesce(
        (SELECT layout FROM frames WHERE machine = %(machine)s ORDER BY time DESC LIMIT 1),
        (SELECT layout FROM minutes WHERE machine = %(machine)s ORDER BY time DESC LIMIT 1),
        (SELECT layout FROM hours WHERE machine = %(machine)s ORDER BY time DESC LIMIT 1))) AS now
    ON now.metric = metrics.id
WHERE metrics.name = %(metric)s ORDER BY 3 DESC, metrics.id DESC
"""

# What is known of a gap's time may be one end only, or just when it was heard of.
GAPS = """
SELECT from_time, to_time, last_seq - first_seq + 1, reason
FROM gaps JOIN streams ON streams.id = gaps.stream
WHERE gaps.machine = %(machine)s AND (%(stream)s::bytea IS NULL OR streams.stream = %(stream)s)
    AND coalesce(from_time, to_time, noted) < %(to)s AND coalesce(to_time, from_time, noted) >= %(from)s
ORDER BY coalesce(from_time, to_time, noted) DESC, first_seq DESC LIMIT %(most_gaps)s
"""

REJECTS = """
SELECT machines.name, streams.stream, seq, received, reason, time_us, cardinality(values)
FROM rejects JOIN machines ON machines.id = rejects.machine JOIN streams ON streams.id = rejects.stream
WHERE %(machine)s::text IS NULL OR machines.name = %(machine)s
ORDER BY received DESC, seq DESC LIMIT %(limit)s
"""

EVENTS = "SELECT id, time, kind, severity, machine, message, fields FROM events"

ALERTS = """
SELECT rule, severity, state, machine, metric, instance, value, threshold, since, message FROM alert_states
ORDER BY state, since DESC, rule, machine, instance
"""

SERVER = """
SELECT current_setting('server_version'), current_setting('timescaledb.license', true),
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
    to_regclass('schema_migrations') IS NOT NULL
"""

SCHEMA_VERSION = "SELECT coalesce(max(version), 0) FROM schema_migrations"


class SeriesRow(NamedTuple):
    """What one instance read: where it read something the number of the bucket, least, mean and greatest."""

    instance: str
    unit: str
    buckets: list[int]
    minima: list[float]
    means: list[float]
    maxima: list[float]


@dataclass(frozen=True, slots=True)
class MachineRow:
    """A machine that history knows, and how finely that is kept."""

    id: int
    interval_us: int
    first_seen: datetime
    tiers: tuple[Tier, ...]


class TierRow(NamedTuple):
    """Which tier tells of this part of a range."""

    tier: str
    start: datetime
    end: datetime


class GapRow(NamedTuple):
    """Frames that are lost for good. The times are of the frames before and after it, None where not known."""

    start: datetime | None
    end: datetime | None
    frames: int
    reason: str


@dataclass(frozen=True, slots=True)
class History:
    """What a metric of a machine read, by instance; its unit and kind; where that is from; what is lost."""

    unit: str
    kind: str
    series: list[SeriesRow]
    tiers: list[TierRow]
    gaps: list[GapRow]


class RejectRow(NamedTuple):
    """A frame that was refused. `time_us` is by its machine's clock, in microseconds since 1970, perhaps absurd."""

    machine: str
    stream: bytes
    seq: int
    received: datetime
    reason: str
    time_us: int
    values: int


class EventRow(NamedTuple):
    """Something that happened."""

    id: int
    time: datetime
    kind: str
    severity: str
    machine: str | None
    message: str
    fields: dict[str, object]


class AlertRow(NamedTuple):
    """Something that is wrong now, or may be soon. `threshold` is None for a rule about silence."""

    rule: str
    severity: str
    state: str
    machine: str
    metric: str
    instance: str
    value: float
    threshold: float | None
    since: datetime
    message: str


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server says of itself. `schema` is the newest migration it has; None if it has none."""

    version: str
    timescaledb: str | None
    license: str | None
    schema: int | None


class Database(Pool):
    """The questions, each on a connection of its own."""

    async def machine(self, name: str) -> MachineRow | None:
        """The machine of this name."""
        async with self.connection() as connection:
            row = await (await connection.execute(MACHINE, (name,))).fetchone()
            tiers = await (await connection.execute(KEPT)).fetchall()
        return MachineRow(row[0], round(row[1] * 1e6), row[2], tuple(Tier(*tier) for tier in tiers)) if row else None

    async def history(
        self, name: str, machine: MachineRow, request: HistoryRequest, buckets: Buckets, most_series: int
    ) -> History | None:
        """What the machine's metric read in these buckets, by so many instances; None if it has no such metric."""
        arguments = {
            "name": name,
            "machine": machine.id,
            "metric": request.metric,
            "instance": request.instance,
            "stream": request.stream,
            "from": moment(request.from_us),
            "to": moment(request.to_us),
            "step": timedelta(microseconds=buckets.step_us),
            "step_us": buckets.step_us,
            "start": moment(buckets.start_us),
            "most_gaps": MAX_GAPS,
            "most_series": most_series,
        }
        async with self.connection() as connection:
            meanings = await (await connection.execute(MEANINGS, arguments)).fetchall()
            rows = await (await connection.execute(HISTORY, arguments)).fetchall() if meanings else []
            tiers = await (await connection.execute(TIERS, arguments)).fetchall()
            gaps = await (await connection.execute(GAPS, arguments)).fetchall()
        series = [SeriesRow(*row) for row in rows]
        meaning = _meaning([Meaning(*row) for row in meanings], series)
        if meaning is None:
            return None
        told = [TierRow(*row) for row in tiers]
        return History(meaning.unit, meaning.kind, series, told, [GapRow(*row) for row in reversed(gaps)])

    async def rejects(self, machine: str | None, limit: int) -> list[RejectRow]:
        """The frames that were refused last, newest first."""
        arguments = {"machine": machine, "limit": limit}
        async with self.connection() as connection:
            rows = await (await connection.execute(REJECTS, arguments)).fetchall()
        return [RejectRow(*row) for row in rows]

    async def events(self, asked: EventsRequest) -> list[EventRow]:
        """The newest events: in a range of time by their times, else by when they were stored."""
        query, arguments = _events(asked)
        async with self.connection() as connection:
            rows = await (await connection.execute(query.encode(), arguments)).fetchall()
        return [EventRow(*row) for row in rows]

    async def alerts(self) -> list[AlertRow]:
        """What fires, then what is pending; the newest first."""
        async with self.connection() as connection:
            rows = await (await connection.execute(ALERTS)).fetchall()
        return [AlertRow(*row) for row in rows]

    async def facts(self) -> ServerFacts:
        """What the server says of itself."""
        async with self.connection() as connection:
            row = await (await connection.execute(SERVER)).fetchone()
            assert row is not None
            version, license_name, extension, has_schema = row
            newest = await (await connection.execute(SCHEMA_VERSION)).fetchone() if has_schema else None
        return ServerFacts(version, extension, license_name, newest[0] if newest else None)


def _events(asked: EventsRequest) -> tuple[str, dict[str, object]]:
    """Only the conditions that are asked for: with ones that may be NULL a prepared plan would pass by the indices."""
    given: dict[str, tuple[str, object]] = {
        "machine = %(machine)s": ("machine", asked.machine),
        # The one that is indexed; rare kinds are found by it too.
        "split_part(kind, '.', 1) = %(family)s": ("family", asked.family),
        "kind = %(kind)s": ("kind", asked.kind),
        ("(time, id) < (%(to)s, %(before)s)" if asked.ranged else "id < %(before)s"): ("before", asked.before),
        "time >= %(from)s": ("from", None if asked.from_us is None else moment(asked.from_us)),
        # Of that moment itself are those of smaller id, if it is said which.
        ("time < %(to)s" if asked.before is None else "time <= %(to)s"): (
            "to",
            None if asked.to_us is None else moment(asked.to_us),
        ),
    }
    conditions = [condition for condition, (_, value) in given.items() if value is not None]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    order = "time DESC, id DESC" if asked.ranged else "id DESC"
    return f"{EVENTS}{where} ORDER BY {order} LIMIT %(limit)s", dict(given.values()) | {"limit": asked.limit}


class Meaning(NamedTuple):
    """What a metric's numbers have meant, or mean now."""

    unit: str
    kind: str
    now: bool


def _meaning(meanings: list[Meaning], series: list[SeriesRow]) -> Meaning | None:
    """What the readings mean; if there are none, what the machine means now. None if it has no such metric."""
    fitting = [one for one in meanings if (one.unit == series[0].unit if series else one.now)]
    return fitting[0] if fitting else None


def moment(time_us: int) -> datetime:
    """A time in microseconds since 1970, for PostgreSQL."""
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=time_us)
