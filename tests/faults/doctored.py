"""A database and a ledger that agree, made by plain SQL, for tests that then spoil one of the two."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg.types.json import Jsonb

from sysmon.v1 import ingest_pb2 as pb
from tests.faults import payload
from tests.faults.ledger import Ledger
from tests.faults.rollups import Taken, kept, made
from tests.faults.stored import Stored, read

MACHINE, STREAM, ORIGIN, WIDTH = "web1", b"s" * 16, 3, 6
SAMPLES = 12
SETTLED = SAMPLES
# A full hour in the middle of a day, a long time ago: what is moved by an hour stays in its chunk.
START_US = 1_699_963_200_000_000
STEP_US = 10_000_000
GAP = range(4, 6)
REJECTED = 7

_BUCKET = "INSERT INTO {} VALUES (timestamptz 'epoch' + %s * interval '1 us', 1, 1, %s, %s, %s, %s, %s, %s)"


def time_of(number: int) -> int:
    return START_US + number * STEP_US


@dataclass
class Doctored:
    """Both, as they should be."""

    url: str
    ledger: Ledger

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def read(self) -> Stored:
        return read(self.url)


def make(url: str) -> Doctored:
    """Twelve samples of one machine, all settled: nine stored, two in a gap, one rejected; all rolled up.

    The tenth tells of two things.
    """
    ledger = Ledger()
    ledger.host(ORIGIN, MACHINE, WIDTH)
    for number in range(1, SAMPLES + 1):
        ledger.take(ORIGIN, number, time_of(number))
        ledger.placed(ORIGIN, number, STREAM, number)
    ledger.acknowledge(STREAM, SETTLED)
    with psycopg.connect(url) as connection:
        _store(connection)
    doctored = Doctored(url, ledger)
    with psycopg.connect(url) as connection:
        _roll_up(connection, kept(ledger, doctored.read()))
    return doctored


def _store(connection: psycopg.Connection) -> None:
    layout = payload.layout_of(1, WIDTH).id
    connection.execute(
        "INSERT INTO machines (name, stream, interval_seconds, agent_version, facts) VALUES (%s, %s, 1, '', '{}')",
        (MACHINE, STREAM),
    )
    connection.execute("INSERT INTO streams (stream, machine, durable_seq) VALUES (%s, 1, %s)", (STREAM, SETTLED))
    connection.execute("INSERT INTO layouts (hash) VALUES (%s)", (layout,))
    connection.execute("INSERT INTO gaps VALUES (1, 1, %s, %s, 'shed')", (GAP[0], GAP[-1]))
    for number in range(1, SAMPLES + 1):
        values = payload.values_of(ORIGIN, number, WIDTH)
        if number == REJECTED:
            connection.execute(
                "INSERT INTO rejects VALUES (1, 1, %s, now(), '', %s, 1, %s)",
                (number, time_of(number), values),
            )
        elif number not in GAP:
            connection.execute(
                "INSERT INTO frames VALUES (timestamptz 'epoch' + %s * interval '1 us', 1, 1, 1, %s)",
                (time_of(number), values),
            )
            _store_events(connection, number)


def _store_events(connection: psycopg.Connection, number: int) -> None:
    for event in payload.events_of(ORIGIN, number, time_of(number)):
        severity = pb.Severity.Name(event.severity).removeprefix("SEVERITY_").lower()
        connection.execute(
            "INSERT INTO events (time, kind, severity, machine, message, fields)"
            " VALUES (timestamptz 'epoch' + %s * interval '1 us', %s, %s, %s, %s, %s)",
            (event.time_us, event.kind, severity, MACHINE, event.message, Jsonb(dict(event.fields))),
        )


def _roll_up(connection: psycopg.Connection, samples: list[Taken]) -> None:
    for table, step_us in (("minutes", 60_000_000), ("hours", 3_600_000_000)):
        for bucket in made(samples, step_us).values():
            row = (bucket.time_us, 1, bucket.samples, bucket.low, bucket.mean, bucket.high, bucket.counts)
            connection.execute(_BUCKET.format(table), row)
    connection.execute("UPDATE tiers SET claimed = now(), done = date_trunc('hour', now()), kept_from = '-infinity'")
