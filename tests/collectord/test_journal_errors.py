from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.collectord.journal.access import why_unreadable
from sysmonstm.collectord.journal.errors import MOST_UNITS, OTHERS, QUIET_SECONDS, JournalErrors
from sysmonstm.collectord.journal.pace import BURST, LINES_A_SECOND, Pace
from sysmonstm.collectord.journal.reports import KERNEL, NO_UNIT, TRANSIENT, Report, parse
from sysmonstm.collectord.probe import series_of
from sysmonstm.collectord.probes.journal import JournalProbe
from sysmonstm.wire import MAX_TEXT


def line(**fields: object) -> bytes:
    return json.dumps({"__REALTIME_TIMESTAMP": "1700000000500000"} | fields).encode()


@pytest.mark.parametrize(
    ("fields", "unit"),
    [
        ({"_SYSTEMD_UNIT": "nginx.service", "_PID": "7"}, "nginx.service"),
        ({"_SYSTEMD_UNIT": "getty@tty1.service"}, "getty@tty1.service"),
        ({"_SYSTEMD_UNIT": "init.scope", "_PID": "1", "UNIT": "nginx.service"}, "nginx.service"),
        ({"_SYSTEMD_UNIT": "init.scope", "_PID": "1"}, "init.scope"),
        # Only systemd may speak for others.
        ({"_SYSTEMD_UNIT": "evil.service", "_PID": "70", "_UID": "0", "UNIT": "nginx.service"}, "evil.service"),
        ({"_SYSTEMD_UNIT": "systemd-coredump@0-1-0.service", "_UID": "0", "COREDUMP_UNIT": "a.service"}, "a.service"),
        ({"_SYSTEMD_UNIT": "evil.service", "_UID": "1000", "COREDUMP_UNIT": "a.service"}, "evil.service"),
        ({"_SYSTEMD_UNIT": "systemd-coredump@0-1-0.service", "_UID": "0"}, TRANSIENT),
        ({"_SYSTEMD_UNIT": "session-12.scope"}, TRANSIENT),
        ({"_SYSTEMD_UNIT": "run-r5ad.service"}, TRANSIENT),
        ({"_TRANSPORT": "kernel"}, KERNEL),
        ({"_TRANSPORT": "kernel", "_SYSTEMD_UNIT": "x.service"}, KERNEL),
        ({}, NO_UNIT),
        ({"_SYSTEMD_UNIT": None}, NO_UNIT),
        ({"_SYSTEMD_UNIT": 5}, NO_UNIT),
        ({"_SYSTEMD_UNIT": [110, 255, 10]}, "n\N{REPLACEMENT CHARACTER}\\n"),
        ({"_SYSTEMD_UNIT": ["a.service", "b.service"]}, "a.service"),
        ({"_SYSTEMD_UNIT": [[97], [98]]}, "a"),
        ({"_SYSTEMD_UNIT": "a\x1b[2J\ud800.service"}, "a\\x1b[2J?.service"),
        ({"_SYSTEMD_UNIT": "u" * 5000}, "u" * MAX_TEXT),
    ],
)
def test_an_entry_counts_for_the_unit_that_it_is_about(fields: dict[str, object], unit: str) -> None:
    assert parse(line(**fields)) == Report(unit, 1_700_000_000.5)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"5", b'"x"', b"null", b"Hint: you may not", b"\xff\xfe", b"[" * 100_000, b"9" * 10_000],
)
def test_what_is_no_entry_is_none(text: bytes) -> None:
    assert parse(text) is None


@pytest.mark.parametrize("stamp", ["", "x", "-1", "9" * 50, "٣", None, 5, ["1"], [[]]])
def test_an_entry_with_a_strange_time_still_counts(stamp: object) -> None:
    found = parse(line(_SYSTEMD_UNIT="a.service", __REALTIME_TIMESTAMP=stamp))
    assert found
    assert found.unit == "a.service"
    assert found.time < 1


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(alphabet=st.characters(exclude_categories=())) | st.floats(),
    lambda one: st.lists(one) | st.dictionaries(st.text(), one),
)


@given(
    st.dictionaries(
        st.sampled_from(["_SYSTEMD_UNIT", "UNIT", "_PID", "_UID", "_TRANSPORT", "__REALTIME_TIMESTAMP"]),
        values | st.just("1"),
    )
)
def test_whatever_json_says_gives_a_name_that_can_be_sent(fields: dict[str, object]) -> None:
    found = parse(json.dumps(fields).encode())
    assert found
    assert found.unit
    assert found.unit.isprintable()
    assert len(found.unit) <= MAX_TEXT
    found.unit.encode()


@given(st.binary())
def test_no_bytes_stop_the_count(text: bytes) -> None:
    parse(text)


def test_errors_count_for_a_minute() -> None:
    errors = JournalErrors()
    errors.add("a.service", 100.0)
    errors.add("a.service", 100.9, 2)
    errors.add("b.service", 130.0)
    assert errors.counts(130.0).units == {"a.service": 3, "b.service": 1}
    assert errors.counts(159.9).total == 4
    assert errors.counts(160.0).units == {"a.service": 0, "b.service": 1}
    assert errors.counts(500.0).total == 0
    # A unit that was seen keeps its series.
    assert set(errors.counts(500.0).units) == {"a.service", "b.service"}


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 300)), max_size=50), st.integers(0, 60))
def test_the_sum_of_the_units_is_the_total(added: list[tuple[str, int]], later: int) -> None:
    errors, now = JournalErrors(), 0
    for unit, second in sorted(added, key=lambda one: one[1]):
        now = second
        errors.add(unit, now)
    now += later
    expected = sum(now - 60 < second <= now for _, second in added)
    assert errors.counts(now).total == sum(errors.counts(now).units.values()) == expected


def test_units_are_bounded_and_the_rest_is_counted_together() -> None:
    errors = JournalErrors()
    for number in range(3 * MOST_UNITS):
        errors.add(f"u{number}.service", 0.0)
    counts = errors.counts(1.0)
    assert len(counts.units) == MOST_UNITS
    assert counts.units[OTHERS] == 2 * MOST_UNITS + 1
    assert counts.total == 3 * MOST_UNITS
    errors.add("new.service", QUIET_SECONDS + 1)
    counts = errors.counts(QUIET_SECONDS + 1)
    assert len(counts.units) == MOST_UNITS
    assert counts.units["new.service"] == 1


def test_units_that_come_and_go_cost_few_layouts_and_every_error_is_shown() -> None:
    errors = JournalErrors()
    shapes, shape = 0, None
    for second in range(0, 86_400, 5):
        errors.add(f"job@{second}.service", second)
        counts = errors.counts(second)
        assert sum(counts.units.values()) == counts.total
        before, shape = shape, list(counts.units)
        shapes += shape != before
    assert 100 < shapes <= 160


def test_a_minute_of_one_unit_is_bounded() -> None:
    errors = JournalErrors()
    for number in range(10_000):
        errors.add("a.service", number / 10)
    assert errors.counts(999.9).units == {"a.service": 600}


def test_reading_is_slowed_down_to_the_allowance() -> None:
    pace = Pace(0.0)
    assert pace.took(BURST, 0.0) == 0
    assert pace.took(LINES_A_SECOND, 0.0) == 1
    assert pace.took(0, 1.0) == 0
    assert pace.took(LINES_A_SECOND, 2.0) == 0
    # A long silence saves up no more than a burst.
    assert pace.took(BURST + LINES_A_SECOND, 1000.0) == 1


def _journal(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "journalctl"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    journal = tmp_path / "journal"
    (journal / "0123").mkdir(parents=True)
    (journal / "0123" / "system.journal").write_text("")
    return journal, tmp_path / "bin"


def test_a_journal_that_can_be_read_is_not_missing(tmp_path: Path) -> None:
    journal, path = _journal(tmp_path)
    assert why_unreadable([tmp_path / "none", journal], str(path)) == ""


def test_why_a_journal_is_missing(tmp_path: Path) -> None:
    journal, path = _journal(tmp_path)
    assert why_unreadable([journal], str(tmp_path)) == "there is no journalctl"
    assert why_unreadable([tmp_path / "none"], str(path)) == "this machine keeps no journal"
    (journal / "0123" / "system.journal").unlink()
    assert "systemd-journal" in why_unreadable([journal], str(path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become someone who may not read it")
def test_a_journal_that_may_not_be_read_is_missing(tmp_path: Path) -> None:
    journal, path = _journal(tmp_path)
    (journal / "0123" / "system.journal").chmod(0o640)
    reason, answer = os.pipe()
    child = os.fork()
    if child == 0:
        for directory in [tmp_path, *tmp_path.parents[:3]]:
            directory.chmod(0o755)
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        os.write(answer, why_unreadable([journal], str(path)).encode())
        os._exit(0)
    os.close(answer)
    os.waitpid(child, 0)
    assert "systemd-journal" in os.read(reason, 1000).decode()
    os.close(reason)


def test_the_probe_yields_what_it_declares() -> None:
    errors = JournalErrors()
    errors.add("a.service", 5.0, 3)
    errors.skip(12.5)
    probe = JournalProbe(errors, lambda: "")
    rows = list(probe.read(10.0))
    assert [(metric.name, instance, value) for metric, instance, value in rows] == [
        ("journal.errors", "a.service", 3),
        ("journal.errors_total", "", 3),
        ("journal.skipped", "", 12.5),
    ]
    series_of(probe, [row[0] for row in rows], [row[1] for row in rows])
    assert not any(math.isnan(value) for _, _, value in rows)


def test_what_is_not_counted_is_no_zero() -> None:
    errors = JournalErrors()
    errors.trouble = "journalctl has ended"
    with pytest.raises(OSError, match="journalctl has ended"):
        list(JournalProbe(errors, lambda: "").read(10.0))
