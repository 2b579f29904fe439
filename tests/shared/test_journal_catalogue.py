"""The catalogue, the table of MESSAGE_IDs and the source name the same events, and the same fields of them."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysmonstm.catalogue import MESSAGE_IDS

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "units" / "sysmonstm.catalog"
SOURCES = ROOT / "daemons" / "sysmonstm"
LEVELS = {"debug", "info", "warning", "error"}
# On every entry, of whatever event.
ALWAYS = {"DAEMON", "EVENT"}
# Events whose names are put together where they are logged: the module that has the name, or its beginning.
TOGETHER = {
    "alert.firing": ("alertd/writer.py", 'f"alert.'),
    "alert.resolved": ("alertd/writer.py", 'f"alert.'),
    "machine.new": ("aggregatord/history/events.py", '"machine.new"'),
    "machine.doubled": ("aggregatord/history/events.py", '"machine.doubled"'),
    "samples.lost": ("aggregatord/history/events.py", '"samples.lost"'),
    "samples.refused": ("aggregatord/history/events.py", '"samples.refused"'),
    # What a constant names.
    "machine.reported": ("aggregatord/saying.py", '"machine.reported"'),
    "journal.back": ("journal.py", '"journal.back"'),
    # Those that come with an exception.
    "daemon.crashed": ("logs.py", '"daemon.crashed"'),
    "thread.crashed": ("logs.py", '"thread.crashed"'),
}
NAME = re.compile(r"[a-z]+\.[a-z_]+")


def entries() -> dict[str, str]:
    """The texts of the catalogue by MESSAGE_ID."""
    found = re.split(r"^-- ", CATALOGUE.read_text(), flags=re.MULTILINE)[1:]
    return {one[:32]: one[32:] for one in found}


def calls() -> Iterator[tuple[str, str, set[str] | None]]:
    """Each call of a log in the source: the module, the event, and its fields (None if they are not in the call)."""
    for file in sorted(SOURCES.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
                continue
            first = node.args[0]
            if node.func.attr in LEVELS and isinstance(first, ast.Constant) and isinstance(first.value, str):
                names = {one.arg.upper() for one in node.keywords if one.arg}
                whole = all(one.arg for one in node.keywords)
                yield str(file.relative_to(SOURCES)), first.value, names if whole else None


CALLS = list(calls())


def test_there_are_events() -> None:
    assert len(CALLS) > 60


def test_an_event_is_named_family_and_what() -> None:
    assert [(module, event) for module, event, _ in CALLS if not NAME.fullmatch(event)] == []


@pytest.mark.parametrize("event", MESSAGE_IDS)
def test_every_event_of_the_table_occurs_in_the_source(event: str) -> None:
    if event in TOGETHER:
        module, text = TOGETHER[event]
        assert text in (SOURCES / module).read_text()
    else:
        assert event in {said for _, said, _ in CALLS}, f"nobody logs {event}"


def test_every_message_id_is_one_and_is_in_the_catalogue() -> None:
    ids = list(MESSAGE_IDS.values())
    assert all(re.fullmatch(r"[0-9a-f]{32}", one) for one in ids)
    assert len(set(ids)) == len(ids)
    assert sorted(entries()) == sorted(ids)


@pytest.mark.parametrize("event", MESSAGE_IDS)
def test_an_entry_names_only_fields_that_its_event_has(event: str) -> None:
    named = set(re.findall(r"@(\w+)@", entries()[MESSAGE_IDS[event]]))
    assert all(one.startswith("SYSMON_") for one in named)
    needed = {one.removeprefix("SYSMON_") for one in named} - ALWAYS
    for module, said, fields in CALLS:
        if said == event and fields is not None:
            # All that a collector writes is about its machine.
            given = fields | ({"MACHINE"} if module.startswith("collectord/") else set())
            assert needed <= given, f"{module} logs {event} without {', '.join(sorted(needed - given))}"


@pytest.mark.parametrize("event", MESSAGE_IDS)
def test_an_entry_says_what_it_means_and_what_to_do(event: str) -> None:
    head, what, *do = entries()[MESSAGE_IDS[event]].strip().split("\n\n")
    lines = head.split("\n")
    assert lines[0].startswith("Subject: ")
    assert lines[1] == "Defined-By: sysmonstm"
    assert what
    assert do


def test_the_journal_takes_the_catalogue(tmp_path: Path) -> None:
    if not shutil.which("journalctl"):
        pytest.skip("journalctl is not installed")
    directory = tmp_path / "usr/lib/systemd/catalog"
    directory.mkdir(parents=True)
    (tmp_path / "var/lib/systemd/catalog").mkdir(parents=True)
    shutil.copy(CATALOGUE, directory)
    command = ["journalctl", f"--root={tmp_path}"]
    updated = subprocess.run([*command, "--update-catalog"], capture_output=True, text=True, timeout=60)
    assert (updated.returncode, updated.stderr) == (0, "")
    shown = subprocess.run([*command, "--list-catalog"], capture_output=True, text=True, timeout=60).stdout
    assert sorted(line.split()[0] for line in shown.splitlines()) == sorted(MESSAGE_IDS.values())
