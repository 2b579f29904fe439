"""What becomes of an event's fields in the journal: names and values are anyone's, and no entry says so."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm import journal, logs
from sysmonstm.catalogue import MESSAGE_IDS
from sysmonstm.entries import Entry, as_json, entry_of
from tests.shared.test_logs import texts

OURS = {
    "MESSAGE",
    "MESSAGE_ID",
    "PRIORITY",
    "SYSLOG_IDENTIFIER",
    "SYSMON_DAEMON",
    "SYSMON_EVENT",
    "CODE_FILE",
    "CODE_LINE",
    "CODE_FUNC",
}
values = st.recursive(
    texts | st.none() | st.booleans() | st.integers() | st.floats() | st.binary(),
    lambda one: st.lists(one) | st.dictionaries(texts, one),
    max_leaves=10,
)


class Taken(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.entries.append(entry_of(record))


def entry(event: str, sentence: str, **fields: object) -> Entry:
    root, taken = logging.getLogger(), Taken()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [taken]
    root.setLevel("DEBUG")
    try:
        logs.logger("sysmonstm.test").info(event, sentence, **fields)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    return taken.entries[0]


def named(fields: list[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (field.partition("=") for field in fields)]


@given(texts, texts, st.dictionaries(texts.filter(lambda one: one not in {"self", "event", "sentence"}), values))
def test_no_field_is_anything_but_a_field(event: str, sentence: str, fields: dict[str, object]) -> None:
    one = entry(event, sentence, **fields)
    found = journal.fields_of(one, as_json(one), "sysmon-test")
    for field in found:
        assert field.isprintable()
        field.encode()
    names = [name for name, _ in named(found)]
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]{0,63}", name) for name in names)
    own = [name for name in names if name in OURS]
    assert len(own) == len(set(own))
    assert all(name.startswith("SYSMON_") for name in names if name not in OURS)
    assert len(found) <= len(OURS) + journal.MOST_FIELDS


@pytest.mark.parametrize(
    "name", ["event", "daemon", "Event", "DAEMON", "", "_PID", "message", "a=b\nPRIORITY", "ß", "é"]
)
def test_a_field_cannot_become_another_one(name: str) -> None:
    fields = {"event": "forged"} if name == "event" else {name: "forged"}
    one = Entry(0.0, logging.INFO, "a.b", "c", fields, "", "f", 1, "g")
    found = [name for name, value in named(journal.fields_of(one, "x", "sysmon-test")) if "forged" in value]
    assert all(name.startswith("SYSMON_") and name not in OURS for name in found)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("web1", ["web1"]),
        ("a\nPRIORITY=0", [r"a\nPRIORITY=0"]),
        (5, ["5"]),
        (2.5, ["2.5"]),
        (True, ["true"]),
        (None, []),
        ({"a": 1}, []),
        (["a", 1, None, {"b": 2}, ["c"]], ["a", "1"]),
        ([], []),
        (float("nan"), ["nan"]),
        ("x" * 100_000, ["x" * journal.MOST_VALUE]),
        (10**1000, [hex(10**1000)]),
    ],
)
def test_plain_values_can_be_matched(value: object, found: list[str]) -> None:
    one = entry("a.b", "c", it=value)
    assert [text for name, text in named(journal.fields_of(one, "x", "p")) if name == "SYSMON_IT"] == found


def test_an_important_event_has_its_message_id() -> None:
    one = entry("database.away", "c")
    assert f"MESSAGE_ID={MESSAGE_IDS['database.away']}" in journal.fields_of(one, "x", "p")
    assert not any(field.startswith("MESSAGE_ID") for field in journal.fields_of(entry("a.b", "c"), "x", "p"))


@pytest.mark.parametrize(
    ("level", "number"), [(5, 7), (10, 7), (15, 7), (20, 6), (25, 6), (30, 4), (40, 3), (50, 2), (60, 2)]
)
def test_every_level_has_a_priority(level: int, number: int) -> None:
    assert journal.priority(level) == number


@pytest.mark.parametrize(
    ("program", "name"),
    [
        ("/usr/bin/sysmon-alertd", "sysmon-alertd"),
        ("/x/sysmonstm/alertd/__main__.py", "sysmon-alertd"),
        ("", "sysmonstm"),
        ("/x/\x1b[2J\n", r"\x1b[2J\n"),
    ],
)
def test_a_program_is_known_by_its_name(program: str, name: str) -> None:
    assert journal.identifier(program) == name


@pytest.mark.parametrize("stream", [None, "", ":", "1:2", "x:y", "1", "::"])
def test_without_a_journal_lines_stay_as_they_are(stream: str | None, tmp_path: Path) -> None:
    code = "from sysmonstm import logs; logs.setup('INFO', 'json'); logs.logger('x').info('a.b', 'c')"
    environment = {"PATH": ""} | ({"JOURNAL_STREAM": stream} if stream is not None else {})
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert result.stderr.startswith('{"time": ')
    assert result.stderr.count("\n") == 1


def test_a_journal_stream_that_is_another_descriptors_is_not_standard_error(tmp_path: Path) -> None:
    # As after `2>file` in a unit's shell: the variable is inherited and says what standard error was.
    found = (tmp_path / "was").open("w")
    with found:
        number = Path(found.name).stat()
        assert not journal.is_stderr({"JOURNAL_STREAM": f"{number.st_dev}:{number.st_ino}"})
