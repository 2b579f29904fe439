"""The SQL of the README answers, for a user who may only read."""

from __future__ import annotations

import re
import time
from pathlib import Path

import psycopg
import pytest

from tests.gatewayd.fleet_publisher import CORE, CPU, DISK, LAYOUT, HistoryWriter

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"```sql\n(.*?)```", README.read_text(), re.DOTALL)


def _as_grafana_sends_it(block: str, now: float) -> str:
    def moment(seconds: float) -> str:
        return time.strftime("'%Y-%m-%dT%H:%M:%SZ'", time.gmtime(seconds))

    sent = block.replace("$__timeFrom()", moment(now - 3600)).replace("$__timeTo()", moment(now + 60))
    return sent.replace("$__interval", "30s")


@pytest.fixture
def reader(writer: HistoryWriter) -> psycopg.Connection:
    """Of a database with one machine, as a user who may only read."""
    machine, layout = writer.machine("web1"), writer.layout(LAYOUT)
    writer.connection.execute("UPDATE machines SET tags = ARRAY['web', 'prod']")
    now = time.time()
    stream, _ = writer.stream(machine, now)
    for at in (now - 600, now):
        writer.frame(machine, layout, at, [1, 2, 3, 4], stream)
    writer.connection.execute("SET ROLE pg_read_all_data")
    return writer.connection


def test_there_is_sql_to_try() -> None:
    assert len(BLOCKS) >= 5
    assert {metric.name for metric in (CORE, CPU, DISK)} >= set(re.findall(r"'(\w+\.\w+)'", "".join(BLOCKS)))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.strip().splitlines()[0])
def test_a_reader_gets_an_answer(reader: psycopg.Connection, block: str) -> None:
    rows = reader.execute(_as_grafana_sends_it(block, time.time()).encode()).fetchall()
    assert rows
    assert "web1" in rows[0] or rows[0][-1] is not None


def test_grafana_gets_a_time_a_name_and_a_number(reader: psycopg.Connection) -> None:
    (block,) = [one for one in BLOCKS if "$__interval" in one]
    cursor = reader.execute(_as_grafana_sends_it(block, time.time()).encode())
    assert [column.name for column in cursor.description or ()] == ["time", "metric", "mean"]
    assert {row[1:] for row in cursor.fetchall()} == {("0", 2.0), ("1", 3.0)}


def test_a_reader_cannot_forget_a_machine(reader: psycopg.Connection) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("SELECT forget_machine('web1')")
