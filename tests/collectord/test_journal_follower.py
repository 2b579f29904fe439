"""The follower with the real journalctl, on a journal that a real journald keeps."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from sysmonstm.collectord.journal.follower import COMMAND, JournalFollower, _end
from sysmonstm.collectord.journal.pace import BURST, LINES_A_SECOND
from sysmonstm.service import Service
from tests import real_journald
from tests.real_journald import Journald
from tests.shared.real_server import PATIENCE_SECONDS, until


@pytest.fixture(autouse=True)
def _patient_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A journalctl that is killed within a read of the disk takes its time; no loop may be closed before it is gone."""
    monkeypatch.setattr("sysmonstm.collectord.journal.follower.END_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
def journald() -> Iterator[Journald]:
    with real_journald.running() as journald:
        yield journald


@asynccontextmanager
async def following(follower: JournalFollower) -> AsyncIterator[JournalFollower]:
    task = asyncio.create_task(follower.run(Service()))
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def children() -> list[psutil.Process]:
    """The followers' own: the machines that other tests have booted run some too."""
    begun = [one for one in psutil.Process().children() if one.name() != "systemd-nspawn"]
    every = [one for first in begun for one in (first, *first.children(recursive=True))]
    return [one for one in every if "journalctl" in one.name()]


def pipes() -> int:
    """How many this process has open."""
    found = 0
    for one in Path("/proc/self/fd").iterdir():
        # What read the directory is gone by now.
        with suppress(OSError):
            found += str(one.readlink()).startswith(("pipe:", "socket:"))
    return found


# Lines on standard error as services write them; the priority is in front.
LINES = "import os\nfor _ in range({times}): os.write(2, {lines!r})"


def write(journald: Journald, unit: str, lines: bytes, times: int = 1) -> None:
    command = journald.service(LINES.format(lines=lines, times=times), unit=unit)
    subprocess.run(command, check=True, timeout=60, stderr=subprocess.DEVNULL)


def units(follower: JournalFollower) -> dict[str, int]:
    return dict(follower.errors.counts(time.monotonic()).units)


async def _started(journald: Journald, follower: JournalFollower) -> None:
    """Until it sees what is written: journalctl has opened the journal."""

    def sees() -> bool:
        write(journald, "first.service", b"<3>x\n")
        return "first.service" in units(follower)

    await until("an error is seen", sees)


async def test_errors_are_counted_by_unit_from_now_on(journald: Journald) -> None:
    write(journald, "old.service", b"<3>before\n" * 5)
    async with following(JournalFollower(journald.inside(*COMMAND))) as follower:
        await _started(journald, follower)
        write(journald, "web.service", b"<3>no\n<2>no\n<4>a warning\n<6>news\n<0>\x1b[2J{}\n")
        write(journald, "db.service", b"<3>\xff\xfe\n")
        await until("the last error is counted", lambda: units(follower).get("db.service") == 1)
        found = units(follower)
    assert found["web.service"] == 3
    assert "old.service" not in found
    assert follower.errors.trouble == ""


async def test_a_journalctl_that_is_killed_is_started_again(journald: Journald) -> None:
    async with following(JournalFollower(journald.inside(*COMMAND))) as follower:
        await _started(journald, follower)
        (first,) = children()
        first.kill()
        await until("the end is seen", lambda: "journalctl has ended" in follower.errors.trouble)
        await until("it follows again", lambda: follower.errors.trouble == "")
        write(journald, "web.service", b"<3>no\n")
        await until("the error is counted", lambda: units(follower).get("web.service") == 1)


async def test_nothing_is_left_running(journald: Journald) -> None:
    async with following(JournalFollower(journald.inside(*COMMAND))) as follower:
        await _started(journald, follower)
        assert len(children()) == 1
    assert children() == []


async def test_the_end_is_waited_for_though_the_loop_is_about_to_close() -> None:
    process = await asyncio.create_subprocess_exec("sleep", "60", stdout=asyncio.subprocess.PIPE)
    ending = asyncio.create_task(_end(process))
    await asyncio.sleep(0)
    ending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ending
    assert process.returncode == -signal.SIGKILL


async def test_a_journald_that_starts_again_is_followed_on(journald: Journald) -> None:
    async with following(JournalFollower(journald.inside(*COMMAND))) as follower:
        await _started(journald, follower)
        journald.kill()
        journald.start()
        write(journald, "web.service", b"<3>no\n")
        await until("the error is counted", lambda: units(follower).get("web.service") == 1)


async def test_a_flood_is_read_no_faster_than_allowed_and_then_left_out(
    journald: Journald, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysmonstm.collectord.journal.follower.BEHIND_SECONDS", 2.0)
    async with following(JournalFollower(journald.inside(*COMMAND))) as follower:
        await _started(journald, follower)
        before = pipes()
        write(journald, "mad.service", b"<3>no\n" * 100, 600)
        started = time.monotonic()
        await until("some are left out", lambda: follower.errors.counts(0).skipped_seconds > 0)
        read, seconds = units(follower)["mad.service"], time.monotonic() - started + 5
        assert read < BURST + LINES_A_SECOND * seconds

        def goes_on() -> bool:
            write(journald, "later.service", b"<3>no\n")
            return "later.service" in units(follower)

        await until("it goes on behind the flood", goes_on)
        assert follower.errors.trouble == ""
        assert pipes() == before


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/does/not/exist"], "No such file"),
        ([sys.executable, "-c", "print('You may not\\x1b[2J')"], r"You may not\x1b[2J"),
        ([sys.executable, "-c", "pass"], "it said nothing"),
        ([sys.executable, "-c", "import os; os.write(1, b'x' * 10_000_000)"], "it said nothing"),
    ],
)
async def test_what_cannot_be_followed_is_no_zero(command: list[str], words: str) -> None:
    async with following(JournalFollower(command)) as follower:
        await until("the reason is known", lambda: words in follower.errors.trouble)
        assert follower.errors.counts(time.monotonic()).total == 0


async def test_it_is_never_late_while_it_waits() -> None:
    service = Service()
    task = asyncio.create_task(JournalFollower(["sleep", "60"]).run(service))
    for _ in range(10):
        await asyncio.sleep(0.5)
        assert service.late(time.monotonic()) == []
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


LINE = b'{"__REALTIME_TIMESTAMP": "1", "_SYSTEMD_UNIT": "a.service"}'


async def test_a_complaint_is_no_sign_of_health(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sysmonstm.collectord.journal.follower.FIRST_WAIT_SECONDS", 0.05)
    monkeypatch.setattr("sysmonstm.collectord.journal.follower.LONGEST_WAIT_SECONDS", 0.05)
    caplog.set_level("INFO")
    command = ["sh", "-c", "echo x >> $0; echo Permission denied; exit 1"]
    with tempfile.NamedTemporaryFile() as tries:
        async with following(JournalFollower([*command, tries.name])) as follower:
            await until("it was tried again", lambda: len(Path(tries.name).read_bytes()) >= 10)
            assert "Permission denied" in follower.errors.trouble
    assert len([message for message in caplog.messages if "not counted" in message]) == 1
    assert not [message for message in caplog.messages if "counted again" in message]


@pytest.mark.parametrize("then", ["printf '%s\\n' \"$1\"; exec sleep 60", "exec sleep 60"])
async def test_an_entry_or_silence_is(then: str, tmp_path: Path) -> None:
    command = ["sh", "-c", f"test -e $0 || {{ touch $0; exit 1; }}; {then}", str(tmp_path / "tried"), LINE.decode()]
    async with following(JournalFollower(command)) as follower:
        await until("it fails", lambda: bool(follower.errors.trouble))
        await until("it is well", lambda: not follower.errors.trouble)
