"""Names that come and go have their series without many layouts."""

from __future__ import annotations

import pytest

from sysmonstm.collectord.places import AT_ONCE, SECONDS_PER_CHANGE, Changes, Places


def settle(places: Places, now: float, *idle: str) -> list[str]:
    places.settle(lambda name: name in idle, now)
    return list(places.names)


def test_all_that_is_there_at_first_has_a_place_at_once() -> None:
    places = Places("units", 5, Changes())
    places.ask("abc")
    assert settle(places, 100.0) == ["a", "b", "c"]


def test_after_a_burst_all_that_wait_are_let_in_together(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    places = Places("units", 100, Changes())
    settle(places, 0.0)
    for number in range(AT_ONCE):
        places.ask([f"u{number}"])
        assert len(settle(places, 1.0 + number / 100)) == number + 1
    places.ask("a")
    settle(places, 2.0)
    places.ask("b")
    assert len(settle(places, SECONDS_PER_CHANGE)) == AT_ONCE
    assert list(places.waiting) == ["a", "b"]
    assert settle(places, 1.0 + SECONDS_PER_CHANGE)[-2:] == ["a", "b"]
    assert len([message for message in caplog.messages if "wait for their series" in message]) == 1


def test_what_changes_at_one_time_is_one_change() -> None:
    changes = Changes()
    one, other = Places("a", 100, changes), Places("b", 100, changes)
    for number in range(AT_ONCE + 1):
        for places in (one, other):
            places.ask([f"u{number}"])
            settle(places, float(number))
    assert len(one.names) == len(other.names) == AT_ONCE + 1
    for places in (one, other):
        places.ask(["more"])
        assert "more" not in settle(places, 100.0)


def test_who_is_idle_gives_way_and_waits_no_more() -> None:
    places = Places("units", 2, Changes())
    places.ask("ab")
    settle(places, 0.0)
    places.ask("c")
    assert settle(places, 1.0) == ["a", "b"]
    assert places.is_full
    places.ask("d")
    assert settle(places, 2.0, "a", "c") == ["b", "d"]
    assert not places.is_full
    assert not places.waiting


def test_a_full_house_costs_no_change() -> None:
    places = Places("units", 1, Changes())
    places.ask("a")
    settle(places, 0.0)
    for number in range(3 * AT_ONCE):
        places.ask("b")
        settle(places, 1.0 + number)
    assert settle(places, 100.0, "a") == ["b"]


def test_waiting_names_are_bounded_and_fewer_places_are_heeded() -> None:
    places = Places("units", 3, Changes())
    places.ask("abcdefgh")
    assert len(places.waiting) == 3
    settle(places, 0.0)
    places.most = 1
    assert settle(places, 1.0) == ["a"]
    places.most = 0
    assert settle(places, 2.0) == []
