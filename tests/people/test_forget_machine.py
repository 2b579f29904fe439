"""forget_machine() in the database."""

from __future__ import annotations

import psycopg

from tests.gatewayd.fleet_publisher import LAYOUT, HistoryWriter

START = 1_700_000_000
OF_A_MACHINE = ("machines", "streams", "gaps", "rejects", "alert_states")


def _counts(connection: psycopg.Connection) -> dict[str, int]:
    counted = {}
    for table in OF_A_MACHINE:
        row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        assert row is not None
        counted[table] = row[0]
    return counted


def _fill(writer: HistoryWriter, name: str) -> int:
    machine = writer.machine(name)
    stream, _ = writer.stream(machine)
    writer.gap(machine, stream, 1, 2, "shed", None, None)
    writer.reject(machine, stream, 3, "no", 0)
    writer.alert("hot", name, "firing", 1.0)
    return machine


def test_what_is_of_the_machine_goes_and_what_is_of_others_stays(
    writer: HistoryWriter, connection: psycopg.Connection
) -> None:
    machine, _ = _fill(writer, "old"), _fill(writer, "kept")
    writer.frame(machine, writer.layout(LAYOUT), START, [1, 2, 3, 4])
    assert connection.execute("SELECT forget_machine('old')").fetchone() == (True,)
    assert _counts(connection) == dict.fromkeys(OF_A_MACHINE, 1)
    assert connection.execute("SELECT name FROM machines").fetchone() == ("kept",)
    assert connection.execute("SELECT machine, name, deleted FROM forgotten").fetchall() == [(machine, "old", None)]
    # History is deleted by an aggregator, bit by bit.
    assert connection.execute("SELECT count(*) FROM frames").fetchone() == (1,)
    events = connection.execute("SELECT kind, severity, machine, message FROM events").fetchall()
    assert events == [("machine.forgotten", "info", "old", "old was forgotten; its history is being deleted")]


def test_an_unknown_machine_changes_nothing(writer: HistoryWriter, connection: psycopg.Connection) -> None:
    _fill(writer, "kept")
    assert connection.execute("SELECT forget_machine('kep')").fetchone() == (False,)
    assert _counts(connection) == dict.fromkeys(OF_A_MACHINE, 1)
    assert connection.execute("SELECT count(*) FROM forgotten").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM events").fetchone() == (0,)


def test_it_is_all_or_nothing(writer: HistoryWriter, connection: psycopg.Connection) -> None:
    _fill(writer, "old")
    connection.execute("ALTER TABLE events ADD CHECK (kind <> 'machine.forgotten')")
    try:
        connection.execute("SELECT forget_machine('old')")
    except psycopg.errors.CheckViolation:
        assert _counts(connection) == dict.fromkeys(OF_A_MACHINE, 1)
    else:
        raise AssertionError("the event was stored")
    assert connection.execute("SELECT count(*) FROM forgotten").fetchone() == (0,)


def test_a_machine_that_comes_back_is_another(writer: HistoryWriter, connection: psycopg.Connection) -> None:
    before = writer.machine("web1")
    connection.execute("SELECT forget_machine('web1')")
    assert writer.machine("web1") != before
