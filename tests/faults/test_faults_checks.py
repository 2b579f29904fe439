"""A checker that cannot fail proves nothing: each kind of fault is put into a real database, and must be found."""

from __future__ import annotations

import pytest

from tests.faults import checks, doctored, rollups
from tests.faults.doctored import ORIGIN, STREAM, Doctored
from tests.faults.fault import Fault


@pytest.fixture
def sound(database_url: str) -> Doctored:
    return doctored.make(database_url)


def found(spoilt: Doctored) -> set[str]:
    return {fault.kind for fault in checks.at_rest(spoilt.ledger, spoilt.read())}


def found_in_rollups(spoilt: Doctored) -> set[str]:
    stored = spoilt.read()
    return {fault.kind for fault in rollups.wrong(rollups.kept(spoilt.ledger, stored), stored)}


def at(number: int) -> str:
    return f"time = timestamptz 'epoch' + {doctored.time_of(number)} * interval '1 us'"


def test_a_sound_database_has_no_fault(sound: Doctored) -> None:
    stored = sound.read()
    assert len(stored.frames) == 9
    assert checks.at_rest(sound.ledger, stored) == []
    assert rollups.wrong(rollups.kept(sound.ledger, stored), stored) == []


FIRST, LAST = (f"(fields ->> 'place')::int = {place}" for place in range(2))
COPY_EVENT = """
INSERT INTO events (time, kind, severity, machine, message, fields)
SELECT time, kind, severity, machine, message, fields FROM events WHERE"""
NO_KEYS = "DROP INDEX frames_identity"
COPY = "INSERT INTO frames SELECT * FROM frames WHERE "
# Another real[] like that of sample 2 but for one place.
SPOIL = "UPDATE frames SET values[4] = values[4] + 1 WHERE "


@pytest.mark.parametrize(
    ("statements", "kinds"),
    [
        ([f"DELETE FROM frames WHERE {at(2)}"], {"acknowledged and lost", "nowhere", "miscounted"}),
        ([NO_KEYS, COPY + at(2)], {"key twice", "sample twice", "miscounted"}),
        ([f"UPDATE frames SET values[3] = 0.5 WHERE {at(2)}"], {"value wrong"}),
        ([f"UPDATE frames SET values = values[1:5] WHERE {at(2)}"], {"value wrong"}),
        ([f"UPDATE frames SET values[1] = 'NaN' WHERE {at(2)}"], {"value wrong", "acknowledged and lost", "nowhere"}),
        ([f"UPDATE frames SET values[1] = 99 WHERE {at(2)}"], {"never issued", "acknowledged and lost", "nowhere"}),
        ([f"UPDATE frames SET time = time + interval '1 us' WHERE {at(2)}"], {"time wrong"}),
        (
            [
                "INSERT INTO layouts (hash) VALUES ('other')",
                f"UPDATE frames SET layout = (SELECT id FROM layouts WHERE hash = 'other') WHERE {at(2)}",
            ],
            {"layout wrong"},
        ),
        (["UPDATE machines SET name = 'web2'"], {"machine wrong"}),
        (["UPDATE streams SET stream = 'other'"], {"stream wrong", "acknowledged and lost", "nowhere"}),
        (["DELETE FROM gaps"], {"acknowledged and lost", "nowhere", "miscounted"}),
        (["UPDATE gaps SET first_seq = 3"], {"in several places", "miscounted"}),
        (["DELETE FROM rejects"], {"acknowledged and lost", "nowhere", "miscounted"}),
        (["UPDATE rejects SET values[4] = 0.5"], {"value wrong"}),
        (["UPDATE rejects SET time_us = 0"], {"time wrong"}),
        (["UPDATE streams SET durable_seq = 11"], {"miscounted"}),
        (["DELETE FROM events"], {"event lost"}),
        ([f"DELETE FROM events WHERE {LAST}"], {"event lost"}),
        ([f"{COPY_EVENT} {LAST}"], {"event twice"}),
        ([f"{COPY_EVENT} {FIRST}", f"DELETE FROM events WHERE {FIRST} AND id < 3"], {"events out of order"}),
        (["UPDATE events SET message = ''"], {"event wrong"}),
        (["UPDATE events SET severity = 'critical'"], {"event wrong"}),
        (["UPDATE events SET machine = 'web2'"], {"event wrong"}),
        (["UPDATE events SET time = time - interval '1 us'"], {"event wrong"}),
        ([f"UPDATE events SET fields = fields || '{{\"place\": 2}}' WHERE {LAST}"], {"event wrong"}),
        (["UPDATE events SET fields = fields || '{\"number\": 9}'"], {"event lost", "event wrong"}),
        (["UPDATE events SET fields = fields || '{\"number\": 99}'"], {"event lost", "event of nobody"}),
        (
            [f"DELETE FROM frames WHERE {at(10)}", "UPDATE streams SET durable_seq = 9"],
            {"acknowledged and lost", "nowhere", "miscounted", "event without its sample"},
        ),
    ],
    ids=lambda one: one[-1][:60] if isinstance(one, list) else "",
)
def test_what_is_wrong_is_found(sound: Doctored, statements: list[str], kinds: set[str]) -> None:
    sound.execute(*statements)
    assert found(sound) == kinds


@pytest.mark.parametrize(
    ("statements", "kinds"),
    [
        (["DELETE FROM minutes"], {"minute missing"}),
        (["UPDATE minutes SET samples = samples + 1"], {"minute wrong"}),
        (["UPDATE minutes SET low[3] = low[3] - 1"], {"minute wrong"}),
        (["UPDATE minutes SET mean[3] = mean[3] * 1.000001"], {"minute wrong"}),
        (["UPDATE minutes SET counts[3] = counts[3] + 1"], {"minute wrong"}),
        (["UPDATE minutes SET counts = NULL"], {"minute wrong"}),
        (["UPDATE minutes SET time = time + interval '1 hour'"], {"minute missing", "minute of nothing"}),
        (["DROP INDEX minutes_identity", "INSERT INTO minutes SELECT * FROM minutes"], {"minute twice"}),
        (["DELETE FROM hours"], {"hour missing"}),
        (["UPDATE hours SET high[3] = high[3] + 1"], {"hour wrong"}),
        (["UPDATE hours SET mean[3] = mean[3] * 1.001"], {"hour wrong"}),
        (["UPDATE hours SET mean[3] = mean[3] * 1.0000001"], set()),
        (["DELETE FROM minutes", "UPDATE tiers SET done = 'epoch' WHERE name = 'minute'"], set()),
        (["DELETE FROM minutes", "UPDATE tiers SET kept_from = now() WHERE name = 'minute'"], set()),
    ],
    ids=lambda one: one[-1][:60] if isinstance(one, list) else "",
)
def test_what_is_wrong_with_a_roll_up_is_found(sound: Doctored, statements: list[str], kinds: set[str]) -> None:
    sound.execute(*statements)
    assert found_in_rollups(sound) == kinds


def test_a_sample_may_be_in_the_spool_and_stored_but_not_in_the_spool_and_in_a_gap(sound: Doctored) -> None:
    stored = sound.read()
    one_to_eight = frozenset((STREAM, seq) for seq in (1, 8))
    assert checks.at_rest(sound.ledger, stored, one_to_eight) == []
    faults = checks.at_rest(sound.ledger, stored, frozenset({(STREAM, 4)}))
    assert [fault.kind for fault in faults] == ["in several places"]


def test_what_is_in_the_spool_need_not_be_stored(sound: Doctored) -> None:
    sound.ledger.origins[ORIGIN].acknowledged.clear()
    sound.execute(f"DELETE FROM frames WHERE {at(12)}", "UPDATE streams SET durable_seq = 11")
    assert found(sound) == {"nowhere"}
    assert checks.at_rest(sound.ledger, sound.read(), frozenset({(STREAM, 12)})) == []


def test_while_it_runs_what_is_not_acknowledged_may_be_anywhere(sound: Doctored) -> None:
    sound.ledger.origins[ORIGIN].acknowledged.remove(12)
    sound.execute(f"DELETE FROM frames WHERE {at(12)}")
    assert checks.while_running(sound.ledger, sound.read()) == []
    sound.ledger.origins[ORIGIN].acknowledged.add(12)
    assert {fault.kind for fault in checks.while_running(sound.ledger, sound.read())} == {"acknowledged and lost"}


def test_of_many_faults_a_few_are_told() -> None:
    said = checks.told([Fault("lost", f"sample {number}") for number in range(100)])
    assert said.startswith("lost: 100\n  sample 0\n")
    assert len(said.splitlines()) == 1 + checks.MOST_TOLD
