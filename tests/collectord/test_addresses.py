from __future__ import annotations

from sysmonstm.collectord.addresses import Addresses


def tried(addresses: Addresses, *good: bool) -> str:
    """The order in which they are tried; `good` says of each whether it was of use before it failed."""
    order = ""
    for one in good:
        order += addresses.next
        addresses.failed(one)
    return order


def test_one_address_is_tried_again_and_again() -> None:
    assert tried(Addresses(["a"]), False, True, False) == "aaa"


def test_all_are_tried_in_turn() -> None:
    assert tried(Addresses("abc"), *[False] * 7) == "abcabca"


def test_after_a_good_connection_the_first_is_preferred_again() -> None:
    assert tried(Addresses("abc"), False, False, True, False, False, False) == "abcabc"


def test_the_first_itself_is_not_tried_at_once_when_it_has_gone() -> None:
    assert tried(Addresses("abc"), True, False, False, False) == "abca"


def test_one_that_answers_and_fails_again_and_again_does_not_keep_others_from_their_turn() -> None:
    addresses = Addresses("abc")
    assert tried(addresses, False, False) == "ab"
    assert addresses.next == "c"


def test_an_address_that_is_given_twice_is_one() -> None:
    assert len(Addresses(["a", "b", "a"])) == 2
