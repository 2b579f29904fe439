"""What a collector writes down is what a test reads, though the collector be killed at any line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.ledger import Journal, Ledger, read

STREAM = b"s" * 16


def test_what_is_written_is_read(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    journal.host(5, "web1", 8)
    journal.opened(5, STREAM, 0, 0)
    for number in (1, 2):
        journal.take(5, number, 100 + number)
        journal.placed(5, number, STREAM, number)
    journal.acknowledge(STREAM, 1)
    # Another process, after a kill.
    Journal(tmp_path / "journal").acknowledge(STREAM, 2)
    ledger = read([tmp_path / "journal", tmp_path / "not yet there"])
    assert ledger.origins[5].times == {1: 101, 2: 102}
    assert ledger.origins[5].places == {1: (STREAM, 1), 2: (STREAM, 2)}
    assert (ledger.issued, ledger.acknowledged, ledger.unacknowledged) == (2, 2, 0)


def test_a_line_that_nobody_writes_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("take 1\n")
    with pytest.raises(AssertionError, match="nobody writes"):
        read([tmp_path / "journal"])


@pytest.fixture
def book() -> Ledger:
    made = Ledger()
    made.host(5, "web1", 8)
    for number in (1, 2, 3):
        made.take(5, number, 100 + number)
        made.placed(5, number, STREAM, number)
    return made


def test_what_is_acknowledged_before_it_is_written_down_is_acknowledged(book: Ledger) -> None:
    book.acknowledge(STREAM, 4)
    assert (book.acknowledged, book.unacknowledged) == (3, 0)
    book.take(5, 4, 104)
    book.placed(5, 4, STREAM, 4)
    assert (book.acknowledged, book.unacknowledged) == (4, 0)


def test_a_sample_that_was_being_taken_when_its_collector_was_killed_is_known_by_the_spool(book: Ledger) -> None:
    book.take(5, 4, 104)
    book.opened(5, STREAM, settled=1, newest=3)
    assert book.origins[5].unplaced == [4]
    book.take(5, 5, 105)
    book.opened(5, STREAM, settled=1, newest=4)
    assert book.origins[5].places[5] == (STREAM, 4)
    assert (book.issued, book.acknowledged, book.unacknowledged) == (5, 1, 3)


def test_a_seq_that_is_given_out_again_waits_to_be_settled_again(book: Ledger) -> None:
    book.acknowledge(STREAM, 3)
    book.opened(5, STREAM, settled=1, newest=2)
    book.take(5, 4, 104)
    book.placed(5, 4, STREAM, 3)
    assert book.origins[5].acknowledged == {1, 2, 3}
    assert book.unacknowledged == 1
    book.acknowledge(STREAM, 3)
    assert book.unacknowledged == 0
