"""What is stored on a real PostgreSQL, and that it is stored once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest

from sysmonstm.alertd import store as module
from sysmonstm.alertd.alerts import Alert, Change, Key
from sysmonstm.alertd.rules import Phase, State, Step
from sysmonstm.alertd.store import Settled, Store, StoreAwayError, Waiting
from tests.alertd.alertd_process import rows

SECOND = 1_000_000
NOW = 1_790_000_000 * SECOND + 123_457
HOT = State(Phase.FIRING, NOW - 5, NOW, 95.5)
ALERT = Alert(Key("full", "web1", "/"), "filesystem.percent", "warning", 90.0, HOT, "it is full")
PENDING = replace(ALERT, state=State(Phase.PENDING, NOW - 5, NOW, 95.5))
STARTED = Change(PENDING, Step.STARTED, NOW - 5)
DROPPED = Change(PENDING, Step.DROPPED, NOW)
FIRED = Change(ALERT, Step.FIRED, NOW)
RESOLVED = Change(ALERT, Step.RESOLVED, NOW + SECOND)


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    store = Store(database_url)
    yield store
    await store.close()


async def count(url: str, table: str) -> int:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        row = await (await connection.execute(f"SELECT count(*) FROM {table}".encode())).fetchone()
        return int(row[0]) if row else 0


async def test_an_alert_is_read_back_as_it_was_written(store: Store) -> None:
    silent = Alert(Key("gone", "web2", ""), "", "critical", None, State(Phase.FIRING, NOW, NOW, 33.0), "it is silent")
    await store.write([FIRED, Change(silent, Step.FIRED, NOW)], notify=False)
    assert sorted(await store.load(), key=lambda one: one.key) == [ALERT, silent]


async def test_each_step_leaves_the_state_that_it_names(store: Store, database_url: str) -> None:
    for change, left in [(STARTED, [PENDING]), (DROPPED, []), (STARTED, [PENDING]), (FIRED, [ALERT]), (RESOLVED, [])]:
        await store.write([change], notify=False)
        assert await store.load() == left
    assert await count(database_url, "alert_transitions") == 2


async def test_what_is_written_twice_is_there_once(store: Store, database_url: str) -> None:
    flapping = [FIRED, RESOLVED, Change(ALERT, Step.FIRED, NOW + 2 * SECOND)]
    first = await store.write(flapping, notify=True)
    again = await store.write(flapping, notify=True)
    assert (len(first), again) == (3, [])
    assert await store.load() == [ALERT]
    for table in ("alert_transitions", "events", "notifications"):
        assert await count(database_url, table) == 3


async def test_a_step_that_another_made_is_not_told_again(store: Store, database_url: str) -> None:
    await store.write([FIRED], notify=True)
    # Silence is found by the clock of each alertd, so the times of the same step differ.
    assert await store.write([Change(ALERT, Step.FIRED, NOW + 77)], notify=True) == []
    assert await count(database_url, "notifications") == 1


async def test_nothing_is_written_if_not_all_is(store: Store, database_url: str) -> None:
    broken = replace(ALERT, key=Key("full", "web2", "/"), severity="loud")
    with pytest.raises(psycopg.errors.CheckViolation):
        await store.write([FIRED, Change(broken, Step.FIRED, NOW)], notify=True)
    for table in ("alert_states", "alert_transitions", "events", "notifications"):
        assert await count(database_url, table) == 0


async def test_values_are_brought_up_to_date_and_words_are_not(store: Store) -> None:
    await store.write([FIRED], notify=False)
    later = replace(ALERT, state=replace(HOT, seen_us=NOW + SECOND, value=97.25), severity="critical", threshold=91.0)
    unknown = replace(later, key=Key("full", "web9", "/"))
    await store.touch([replace(later, message="other words"), unknown])
    assert await store.load() == [later]


async def test_a_notification_is_taken_on_by_one_and_in_order(store: Store, database_url: str) -> None:
    other = Store(database_url)
    elsewhere = Change(replace(ALERT, key=Key("full", "web2", "/")), Step.FIRED, NOW)
    await store.write([FIRED, RESOLVED, elsewhere], notify=True)
    taken = await store.claim(8)
    assert [(one.payload["machine"], one.payload["state"], one.attempts) for one in taken] == [
        ("web1", "firing", 1),
        ("web2", "firing", 1),
    ]
    assert taken[0].key == FIRED.id
    assert await other.claim(8) == []
    await store.settle(taken[0], Settled())
    (resolve,) = await other.claim(8)
    assert resolve.payload["state"] == "resolved"
    await other.settle(resolve, Settled("answered 503", 0.0))
    (again,) = await store.claim(8)
    assert (again.id, again.attempts, again.last_error) == (resolve.id, 2, "answered 503")
    await store.settle(again, Settled("answered 410"))
    await store.settle(taken[1], Settled("answered 503", 60.0))
    assert await store.claim(8) == []
    await other.close()


async def test_what_waits_is_counted_and_can_be_hurried(store: Store, database_url: str) -> None:
    await store.write([FIRED], notify=True)
    assert await store.waiting() == Waiting(1, None)
    (taken,) = await store.claim(8)
    await store.settle(taken, Settled("answered 503", 300.0))
    assert await store.waiting() == Waiting(1, "answered 503")
    await store.hurry()
    left = "SELECT extract(epoch FROM next_attempt - now())::float8 FROM notifications"
    ((seconds,),) = await rows(database_url, left)
    assert 0 < seconds <= module.LEASE_SECONDS
    await store.settle(taken, Settled())
    assert await store.waiting() == Waiting(0, None)


async def test_a_database_that_does_not_answer_in_time_is_away_and_comes_back(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.load()
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.3)
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute("LOCK TABLE alert_states")
        with pytest.raises(StoreAwayError, match="not answered"):
            await store.write([FIRED], notify=True)
    monkeypatch.undo()
    assert len(await store.write([FIRED], notify=True)) == 1


async def test_a_database_without_the_schema_is_away(empty_database_url: str) -> None:
    store = Store(empty_database_url)
    with pytest.raises(StoreAwayError, match="does not exist"):
        await store.load()
