"""Alerts in PostgreSQL: what is written when one changes, what is read back at a start, and the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.types.json import Jsonb

from sysmonstm.alertd.alerts import Alert, Change, Key, microseconds, moment, seven_digits
from sysmonstm.alertd.rules import Phase, State, Step
from sysmonstm.config import UserError

CONNECT_SECONDS = 5
# An address may name several hosts, each of which is given its time.
ALL_CONNECT_SECONDS = 20.0
ANSWER_SECONDS = 20.0
# No method of a Store takes longer.
LONGEST_SECONDS = ALL_CONNECT_SECONDS + ANSWER_SECONDS + 5.0
# Whoever took a notification on and died leaves it to others after this; longer than an attempt takes.
LEASE_SECONDS = 30

_AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.UndefinedTable,
    errors.ReadOnlySqlTransaction,
    OSError,
)

_PUT_STATE = """
    INSERT INTO alert_states AS known
        (rule, machine, instance, metric, state, severity, threshold, value, seen, since, message)
    VALUES (%(rule)s, %(machine)s, %(instance)s, %(metric)s, %(phase)s, %(severity)s, %(threshold)s, %(value)s,
        %(seen)s, %(since)s, %(message)s)
    ON CONFLICT (rule, machine, instance) DO UPDATE SET metric = excluded.metric, state = excluded.state,
        severity = excluded.severity, threshold = excluded.threshold, value = excluded.value, seen = excluded.seen,
        since = excluded.since, message = excluded.message
        WHERE known.state = 'pending'
    RETURNING 1"""
_TAKE_STATE = """
    DELETE FROM alert_states
    WHERE rule = %(rule)s AND machine = %(machine)s AND instance = %(instance)s AND state = %(phase)s
    RETURNING 1"""
# A transition, its event and its notification, if the state did change: another alertd may have been first.
_TELL = """
    WITH transition AS (
        INSERT INTO alert_transitions
            (id, time, state, rule, machine, instance, metric, severity, threshold, value, since, message)
        VALUES (%(id)s, %(time)s, %(news)s, %(rule)s, %(machine)s, %(instance)s, %(metric)s, %(severity)s,
            %(threshold)s, %(value)s, %(since)s, %(message)s)
        ON CONFLICT (id) DO NOTHING
        RETURNING id),
    notification AS (
        INSERT INTO notifications (transition, payload)
        SELECT id, %(notification)s FROM transition WHERE %(notify)s)
    INSERT INTO events (time, kind, severity, machine, message, fields)
    SELECT %(time)s, 'alert.' || %(news)s::text, %(event_severity)s, %(machine)s, %(message)s, %(facts)s FROM transition
    RETURNING id"""
_TOUCH = """
    UPDATE alert_states SET value = now.value, seen = now.seen, severity = now.severity, threshold = now.threshold
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::float8[], %s::timestamptz[], %s::text[], %s::float8[])
        AS now (rule, machine, instance, value, seen, severity, threshold)
    WHERE (alert_states.rule, alert_states.machine, alert_states.instance) = (now.rule, now.machine, now.instance)"""
# One alert's notifications go out in order: a resolve waits for what is still to be said of its firing.
_CLAIM = """
    UPDATE notifications SET attempts = attempts + 1, next_attempt = now() + make_interval(secs => %s)
    WHERE id IN (
        SELECT due.id FROM notifications AS due JOIN alert_transitions AS own ON own.id = due.transition
        WHERE due.delivered_at IS NULL AND due.given_up_at IS NULL AND due.next_attempt <= now() AND NOT EXISTS (
            SELECT 1 FROM notifications AS earlier JOIN alert_transitions AS other ON other.id = earlier.transition
            WHERE earlier.delivered_at IS NULL AND earlier.given_up_at IS NULL AND earlier.id < due.id
            AND (other.rule, other.machine, other.instance) = (own.rule, own.machine, own.instance))
        ORDER BY due.id LIMIT %s FOR UPDATE OF due SKIP LOCKED)
    RETURNING id, transition, payload, attempts, extract(epoch FROM now() - created)::float8, last_error"""
_SETTLE = """
    UPDATE notifications SET delivered_at = CASE WHEN %(taken)s THEN now() END,
        given_up_at = CASE WHEN %(given_up)s THEN now() END, last_error = %(error)s,
        next_attempt = now() + make_interval(secs => %(wait)s)
    WHERE id = %(id)s"""

# No sooner than another alertd may have it in hand.
_HURRY = """
    UPDATE notifications SET next_attempt = now() + make_interval(secs => %(lease)s)
    WHERE delivered_at IS NULL AND given_up_at IS NULL AND next_attempt > now() + make_interval(secs => %(lease)s)"""
_OPEN = """
    SELECT count(*), (array_agg(last_error ORDER BY id) FILTER (WHERE last_error IS NOT NULL))[1]
    FROM notifications WHERE delivered_at IS NULL AND given_up_at IS NULL"""

_ENDS = (Step.RESOLVED, Step.DROPPED, Step.FORGOTTEN)

T = TypeVar("T")


class StoreAwayError(Exception):
    """The database does not answer, or has no schema yet. The sentence says which."""


@dataclass(frozen=True, slots=True)
class Notification:
    """A row of the outbox that this process has taken on. `attempts` counts the one that is to be made now."""

    id: int
    key: UUID
    payload: dict[str, object]
    attempts: int
    age_seconds: float
    # What went wrong the last time.
    last_error: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Notifications that nobody has taken yet, and what went wrong with the oldest that was tried."""

    count: int = 0
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an attempt: it was taken (no error), given up, or is to be tried again `retry_seconds` later."""

    error: str | None = None
    retry_seconds: float | None = None

    @property
    def given_up(self) -> bool:
        """Whether it was not taken and never will be."""
        return self.error is not None and self.retry_seconds is None


class Store:
    """One connection, made when it is needed and made anew after a fault. For one task at a time.

    Every method raises StoreAwayError where the database cannot be used now; nothing is half written then.
    """

    def __init__(self, url: str) -> None:
        try:
            conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            # What psycopg says of it may hold the password.
            raise UserError(
                "TIMESCALE_URL has a setting that libpq does not know; those are in PostgreSQL's manual, 34.1.2"
            ) from None
        self._url = url
        self._connection: AsyncConnection | None = None

    async def close(self) -> None:
        """Give the connection back."""
        if self._connection:
            await self._connection.close()
            self._connection = None

    async def load(self) -> list[Alert]:
        """The alerts that are pending or firing."""
        rows = await self._within(_load)
        return [_alert_of(row) for row in rows]

    async def write(self, changes: Sequence[Change], *, notify: bool) -> list[dict[str, object]]:
        """Write changes down in one transaction; the events that came of it, as /api/events shows them.

        A change that was written already, by whomever, is passed over.
        """
        return await self._within(lambda connection: _write(connection, changes, notify))

    async def touch(self, alerts: Iterable[Alert]) -> None:
        """Bring the last values of alerts up to date."""
        rows = [
            (*one.key, seven_digits(one.state.value), moment(one.state.seen_us), one.severity, one.threshold)
            for one in alerts
        ]
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            await self._within(lambda connection: connection.execute(_TOUCH, columns))

    async def claim(self, limit: int) -> list[Notification]:
        """Take on notifications that are due, the oldest first."""

        async def run(connection: AsyncConnection) -> list[tuple[Any, ...]]:
            return await (await connection.execute(_CLAIM, (LEASE_SECONDS, limit))).fetchall()

        return sorted((Notification(*row) for row in await self._within(run)), key=lambda one: one.id)

    async def settle(self, notification: Notification, settled: Settled) -> None:
        """Write down what became of an attempt."""
        arguments = {
            "id": notification.id,
            "taken": settled.error is None,
            "given_up": settled.given_up,
            "error": settled.error,
            "wait": settled.retry_seconds or 0.0,
        }
        await self._within(lambda connection: connection.execute(_SETTLE, arguments))

    async def hurry(self) -> None:
        """Have what waits for another attempt tried soon, within LEASE_SECONDS."""
        await self._within(lambda connection: connection.execute(_HURRY, {"lease": LEASE_SECONDS}))

    async def waiting(self) -> Waiting:
        """What is in the outbox."""

        async def run(connection: AsyncConnection) -> Waiting:
            row = await (await connection.execute(_OPEN)).fetchone()
            return Waiting(*row) if row else Waiting()

        return await self._within(run)

    async def _within(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """Do something on the connection, within ANSWER_SECONDS."""
        try:
            if self._connection is None:
                self._connection = await self._connect()
            return await _answered(self._connection, work)
        except _AWAY as error:
            await self.close()
            text = str(error).strip().splitlines()
            raise StoreAwayError(text[0] if text else "it cannot be reached in time") from None

    async def _connect(self) -> AsyncConnection:
        async with asyncio.timeout(ALL_CONNECT_SECONDS):
            return await AsyncConnection.connect(
                self._url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="sysmon-alertd"
            )


async def _answered(connection: AsyncConnection, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """The result of work on the connection. It is closed if that takes too long or is cancelled.

    psycopg would first ask a server that hangs to stop, and wait ten seconds and more for it.
    """
    task = asyncio.ensure_future(work(connection))
    try:
        done, _ = await asyncio.wait({task}, timeout=ANSWER_SECONDS)
    finally:
        if not task.done():
            connection.pgconn.finish()
            task.cancel()
            # What it says of its closed connection is of no use.
            await asyncio.gather(task, return_exceptions=True)
    if not done:
        raise psycopg.OperationalError(f"the database has not answered for {ANSWER_SECONDS:g} s")
    return task.result()


async def _load(connection: AsyncConnection) -> list[tuple[Any, ...]]:
    # The outbox is the newest table: where it is missing, the schema is still being made.
    await connection.execute("SELECT FROM notifications LIMIT 0")
    cursor = await connection.execute(
        "SELECT rule, machine, instance, metric, state, severity, threshold, value, seen, since, message"
        " FROM alert_states"
    )
    return await cursor.fetchall()


def _alert_of(row: tuple[Any, ...]) -> Alert:
    rule, machine, instance, metric, phase, severity, threshold, value, seen, since, message = row
    state = State(Phase(phase), microseconds(since), microseconds(seen), value)
    return Alert(Key(rule, machine, instance), metric, severity, threshold, state, message)


async def _write(connection: AsyncConnection, changes: Sequence[Change], notify: bool) -> list[dict[str, object]]:
    events = []
    async with connection.transaction():
        for change in changes:
            arguments = _arguments(change, notify)
            cursor = await connection.execute(_TAKE_STATE if change.step in _ENDS else _PUT_STATE, arguments)
            # The states of a forgotten machine went with it.
            changed = await cursor.fetchone() is not None or change.step is Step.FORGOTTEN
            if not changed or not change.news:
                continue
            row = await (await connection.execute(_TELL, arguments)).fetchone()
            if row:
                events.append(_event(row[0], change))
    return events


def _arguments(change: Change, notify: bool) -> dict[str, object]:
    alert, state = change.alert, change.alert.state
    time: datetime = moment(change.at_us)
    return {
        **alert.key._asdict(),
        "metric": alert.metric,
        "phase": state.phase.value,
        "severity": alert.severity,
        "event_severity": change.event_severity,
        "threshold": alert.threshold,
        "value": seven_digits(state.value),
        "seen": moment(state.seen_us),
        "since": moment(state.since_us),
        "message": alert.message,
        "id": change.id,
        "time": time,
        "news": change.news,
        "facts": Jsonb(change.facts()),
        "notification": Jsonb(change.notification()),
        "notify": notify,
    }


def _event(number: int, change: Change) -> dict[str, object]:
    alert = change.alert
    return {
        "id": number,
        "time": change.at_us / 1e6,
        "kind": f"alert.{change.news}",
        "severity": change.event_severity,
        "machine": alert.key.machine,
        "message": alert.message,
        "fields": change.facts(),
    }
