"""The journal as people search it, written to by real processes and kept by a real journald."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests import real_journald
from tests.real_journald import Journald

STYLES = ("json", "text")
# Without the module, as where it cannot be built.
WAYS = {"systemd-python": "", "lines": "import sys; sys.modules['systemd'] = None\n"}

PREAMBLE = """
import sys
from sysmonstm import logs
sys.argv[0] = "/usr/bin/sysmon-alertd"
logs.setup("DEBUG", sys.argv[1])
log = logs.logger("sysmonstm.test")
"""


@pytest.fixture(scope="module")
def shared_journald() -> Iterator[Journald]:
    with real_journald.running() as journald:
        yield journald


@pytest.fixture
def journald() -> Iterator[Journald]:
    with real_journald.running() as journald:
        yield journald


@pytest.fixture
def systemd_python() -> None:
    code = "import systemd._journal"
    if subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode:
        pytest.skip("systemd-python is not installed; .ci/setup test says why")


def text(entry: dict[str, object], field: str) -> str:
    value = entry[field]
    assert isinstance(value, str), value
    return value


def message(entry: dict[str, object]) -> dict[str, object]:
    parsed = json.loads(text(entry, "MESSAGE"))
    assert isinstance(parsed, dict)
    return parsed


@pytest.mark.usefixtures("systemd_python")
def test_an_event_is_one_entry_with_fields_that_can_be_matched(shared_journald: Journald) -> None:
    code = f"""{PREAMBLE}
def somewhere():
    log.warning("one.event", "web1 is silent", machine="web1", seconds=2.5, up=False, loops=["a", "b"], more={{"x": 1}})
somewhere()
"""
    assert shared_journald.run(code, "json").stderr == ""
    (entry,) = shared_journald.entries("SYSMON_EVENT=one.event")
    assert message(entry) == {
        "time": message(entry)["time"],
        "level": "warning",
        "event": "one.event",
        "message": "web1 is silent",
        "fields": {"machine": "web1", "seconds": 2.5, "up": False, "loops": ["a", "b"], "more": {"x": 1}},
    }
    shown = {name: value for name, value in entry.items() if not name.startswith("_")}
    assert shown.pop("MESSAGE")
    assert shown == {
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "sysmon-alertd",
        "SYSMON_DAEMON": "alertd",
        "SYSMON_EVENT": "one.event",
        "SYSMON_MACHINE": "web1",
        "SYSMON_SECONDS": "2.5",
        "SYSMON_UP": "false",
        "SYSMON_LOOPS": ["a", "b"],
        "CODE_FILE": "<string>",
        "CODE_LINE": "9",
        "CODE_FUNC": "somewhere",
    }
    assert entry["_TRANSPORT"] == "journal"


@pytest.mark.parametrize(("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3)])
@pytest.mark.parametrize("way", WAYS)
def test_a_level_is_a_priority(
    shared_journald: Journald, systemd_python: None, way: str, level: str, priority: int
) -> None:
    shared_journald.run(f"{WAYS[way]}{PREAMBLE}log.{level}('level.{way}.{level}', 'x')", "json")
    found = [one for one in shared_journald.entries(f"PRIORITY={priority}") if f"level.{way}.{level}" in str(one)]
    assert len(found) == 1


@pytest.mark.parametrize("way", WAYS)
def test_the_object_is_the_same_by_either_way(shared_journald: Journald, systemd_python: None, way: str) -> None:
    shared_journald.run(f"{WAYS[way]}{PREAMBLE}log.error('same.{way}', 'x\\ny', machine='größe', n=5)", "json")
    (entry,) = [one for one in shared_journald.entries() if f"same.{way}" in str(one)]
    found = message(entry)
    assert (found["level"], found["message"], found["fields"]) == ("error", "x\ny", {"machine": "größe", "n": 5})
    assert entry["_TRANSPORT"] == ("journal" if way == "systemd-python" else "stdout")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("style", STYLES)
def test_a_crash_is_in_the_journal_in_escaped_words(
    shared_journald: Journald, systemd_python: None, way: str, style: str
) -> None:
    word = f"crash-{way}-{style}"
    shared_journald.run(f"{WAYS[way]}{PREAMBLE}raise KeyError('{word}\\x1b[2J\\n')", style)
    found = [one for one in shared_journald.entries() if word in str(one)]
    assert all(text(one, "MESSAGE").isprintable() for one in found)
    if way == "systemd-python":
        (entry,) = found
        assert (entry["SYSMON_EVENT"], entry["PRIORITY"]) == ("daemon.crashed", "2")
        assert text(entry, "SYSMON_TRACEBACK").startswith("Traceback")
        assert text(entry, "SYSMON_TRACEBACK").isprintable()
    if style == "json":
        (entry,) = found
        fields = message(entry)["fields"]
        assert isinstance(fields, dict)
        assert "\n" in fields["traceback"]


@pytest.mark.usefixtures("systemd_python")
def test_text_for_people_has_the_same_fields(shared_journald: Journald) -> None:
    shared_journald.run(f"{PREAMBLE}log.info('for.people', 'web1 is\\nback', machine='web1')", "text")
    (entry,) = shared_journald.entries("SYSMON_EVENT=for.people", "SYSMON_MACHINE=web1")
    assert entry["MESSAGE"] == r"web1 is\nback"


@pytest.mark.usefixtures("systemd_python")
def test_what_is_larger_than_a_datagram_arrives(shared_journald: Journald) -> None:
    code = f"{PREAMBLE}log.info('large.one', 'x', **{{f'f{{i}}': '\\U0001f600' * 9000 for i in range(40)}})"
    shared_journald.run(code, "json")
    (entry,) = shared_journald.entries("SYSMON_EVENT=large.one")
    assert len([name for name in entry if name.startswith("SYSMON_F")]) == 32
    assert len(text(entry, "MESSAGE")) < 48 * 1024
    fields = message(entry)["fields"]
    assert isinstance(fields, dict)
    assert fields["cut"] is True


def test_a_line_that_is_too_long_stays_one_entry(shared_journald: Journald) -> None:
    shared_journald.run(f"{WAYS['lines']}{PREAMBLE}log.info('long.line', 'x', value='<3>' * 50_000)", "json")
    (entry,) = [one for one in shared_journald.entries() if "long.line" in str(one)]
    assert message(entry)["event"] == "long.line"
    assert entry["PRIORITY"] == "6"


@pytest.mark.usefixtures("systemd_python")
def test_why_a_daemon_does_not_start_is_an_error_in_the_journal(shared_journald: Journald) -> None:
    code = f"{PREAMBLE}from sysmonstm import config; config.die('AGGREGATOR_LISTEN is no address: redis://:hunter2@h')"
    result = shared_journald.run(code, "json")
    assert (result.returncode, result.stdout) == (1, "")
    (entry,) = shared_journald.entries("SYSMON_EVENT=daemon.refused")
    assert entry["PRIORITY"] == "3"
    assert message(entry)["message"] == "AGGREGATOR_LISTEN is no address: redis://[concealed]@h"


@pytest.mark.usefixtures("systemd_python")
def test_the_socket_of_libsystemd_never_waits_and_there_is_one(shared_journald: Journald) -> None:
    code = f"""{PREAMBLE}
import os
from sysmonstm import journal
for style in ("json", "text", "json"):
    logs.setup("INFO", style)
    log.info("some.thing", "x")
print([os.get_blocking(one) for one in journal._datagram_sockets()])
"""
    # That one, and the one by which the journal is asked whether it takes any.
    assert shared_journald.run(code, "json").stdout == "[False, False]\n"


COUNTS = """
import time
def write(first, number):
    started = time.monotonic()
    for i in range(first, first + number):
        log.info("many.lines", "x" * 500, i=i)
    return time.monotonic() - started
write(0, 1)
handler = __import__("logging").getLogger().handlers[0]
def tell(): print(handler.lost, handler.without_fields, flush=True)
"""


def _talking(journald: Journald, way: str, code: str) -> subprocess.Popen[str]:
    """A process that tells and waits to be answered."""
    command = journald.service(f"{WAYS[way]}{PREAMBLE}{COUNTS}{code}", "json")
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _said(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    if not select.select([process.stdout], [], [], real_journald.PATIENCE_SECONDS)[0]:
        process.kill()
        pytest.fail("the process is held up")
    return process.stdout.readline().strip()


def _answer(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize("way", WAYS)
def test_a_journal_that_hangs_holds_nobody_up_and_is_told_later_what_it_missed(
    journald: Journald, systemd_python: None, way: str
) -> None:
    code = "print('started', flush=True); input(); write(1, 5000); tell(); input(); log.info('it.is', 'back')"
    with _talking(journald, way, code) as process:
        assert _said(process) == "started"
        journald.freeze()
        _answer(process)
        # It would never come if anything waited for the journal.
        lost, without_fields = map(int, _said(process).split())
        journald.thaw()
        journald.entries()
        _answer(process)
        assert process.wait(real_journald.PATIENCE_SECONDS) == 0
    found = [
        message(one)
        for one in journald.entries()
        if one.get("_TRANSPORT") in {"journal", "stdout"} and text(one, "MESSAGE").startswith("{")
    ]
    assert lost > 0
    assert len([one for one in found if one["event"] == "many.lines"]) == 5001 - lost
    (back,) = [one["fields"] for one in found if one["event"] == "journal.back"]
    assert back == {"lost": lost, "without_fields": without_fields}
    assert [one["event"] for one in found if one["event"] == "it.is"] == ["it.is"]


@pytest.mark.usefixtures("systemd_python")
@pytest.mark.parametrize("gone", [True, False], ids=["removed", "refused"])
def test_a_journal_that_is_gone_stops_nobody_and_is_written_to_again(journald: Journald, gone: bool) -> None:
    code = "print('started', flush=True); input(); write(1, 100); tell(); input(); write(101, 100)"
    with _talking(journald, "systemd-python", code) as process:
        assert _said(process) == "started"
        journald.entries()
        journald.kill()
        if gone:
            journald.remove_sockets()
        _answer(process)
        lost, without_fields = map(int, _said(process).split())
        journald.start()
        _answer(process)
        assert process.wait(real_journald.PATIENCE_SECONDS) == 0
    # Its stream is gone as well: there is no systemd here that would keep it for the next journald.
    assert (lost, without_fields) == (100, 0)
    found = journald.entries("SYSMON_EVENT=many.lines")
    assert len(found) == 101
    (back,) = journald.entries("SYSMON_EVENT=journal.back")
    assert back["SYSMON_LOST"] == "100"
