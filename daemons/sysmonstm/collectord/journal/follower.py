"""Follows the machine's journal by journalctl, which every machine with systemd has, and counts what is an error.

journalctl is started again when it ends, with back-off. While errors come faster than Pace allows it is left waiting,
and when it is too far behind for that it is started anew, at the journal's end.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Sequence
from contextlib import suppress

from sysmonstm import logs
from sysmonstm.backoff import full_jitter
from sysmonstm.collectord.journal.errors import JournalErrors
from sysmonstm.collectord.journal.pace import BEHIND_SECONDS, Pace
from sysmonstm.collectord.journal.reports import FIELDS, parse
from sysmonstm.service import Service

log = logs.logger(__name__)

COMMAND = (
    "journalctl",
    "--follow",
    # By --lines=0 the journalctl of systemd 257 misses the first errors of a journal that has none.
    "--since=now",
    "--priority=err",
    "--output=json",
    f"--output-fields={','.join(FIELDS)}",
    "--quiet",
    "--no-pager",
)
# What is looked at of journalctl's complaints.
MOST_WORDS = 500
CHUNK = 16_384
# journalctl leaves out values over 4 KiB, so that a line of six fields is far shorter.
MOST_LINE = 65_536
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 300.0
# Who runs and has said nothing for so long, not even a complaint, follows.
SILENT_SECONDS = 3.0
# Who has run for so long was well.
STEADY_SECONDS = 60.0
BEAT_SECONDS = 4.0
WAKE_SECONDS = 1.5
END_SECONDS = 2.0


class JournalFollower:
    """Counts into `errors` while `run` runs."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self.errors = JournalErrors()
        self._command = command
        self._rest = b""
        self._words = ""
        self._flooded_at = float("-inf")
        self._said_trouble = False

    async def run(self, service: Service) -> None:
        """Follow until cancelled."""
        failures = 0
        while True:
            service.beat("journal", BEAT_SECONDS)
            started = time.monotonic()
            behind = await self._follow(service)
            if behind:
                self._skip(behind)
                continue
            failures = 0 if time.monotonic() - started > STEADY_SECONDS else failures + 1
            # The jitter is no secret.
            wait = full_jitter(failures, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, random.Random())  # noqa: S311
            with service.waits("journal", at_most=wait + BEAT_SECONDS):
                await asyncio.sleep(wait)

    async def _follow(self, service: Service) -> float:
        """Run journalctl until it ends, which is a trouble, or is too far behind: by so many seconds."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env=_environment()
            )
        except OSError as error:
            self._say_trouble(f"journalctl cannot be started: {error.strerror}")
            return 0.0
        try:
            behind = await self._read(process, service)
            if not behind:
                self._say_trouble(f"journalctl has ended: {self._words or 'it said nothing'}")
            return behind
        finally:
            await _end(process)

    async def _read(self, process: Process, service: Service) -> float:
        """Count until the output ends, or until it is too far behind."""
        assert process.stdout
        self._rest, self._words, pace = b"", "", Pace(time.monotonic())
        heard_at = time.monotonic()
        while True:
            service.beat("journal", BEAT_SECONDS)
            try:
                async with asyncio.timeout(WAKE_SECONDS):
                    chunk = await process.stdout.read(CHUNK)
            except TimeoutError:
                if time.monotonic() - heard_at >= SILENT_SECONDS:
                    self._is_well()
                continue
            if not chunk:
                return 0.0
            heard_at = time.monotonic()
            lines, behind = self._count(chunk)
            if behind > BEHIND_SECONDS:
                return behind
            await asyncio.sleep(min(pace.took(lines, time.monotonic()), WAKE_SECONDS))

    def _count(self, chunk: bytes) -> tuple[int, float]:
        """Count the errors of a chunk; how many lines it ended, and how old the last of them is, in seconds."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MOST_LINE:
            # Its end is no JSON object either, and is left out as well.
            self._rest = b""
        now, last = time.monotonic(), 0.0
        for line in lines:
            if report := parse(line):
                self._is_well()
                self.errors.add(report.unit, now)
                last = report.time
            else:
                # What it complains of goes the same way, so that it never waits for anyone to hear it.
                self._words = line[:MOST_WORDS].decode(errors="replace").strip()
        return len(lines), time.time() - last if last else 0.0

    def _skip(self, seconds: float) -> None:
        self.errors.skip(seconds)
        now = time.monotonic()
        if now - self._flooded_at > STEADY_SECONDS:
            log.warning(
                "journal.flooded",
                "errors come faster than they are counted; some are left out, and journal.skipped says for how long",
                seconds=round(seconds, 1),
            )
        self._flooded_at = now

    def _say_trouble(self, reason: str) -> None:
        self.errors.trouble = logs.printable(reason)
        if not self._said_trouble:
            self._said_trouble = True
            log.warning("journal.unread", f"errors in the journal are not counted: {reason}", reason=reason)

    def _is_well(self) -> None:
        self.errors.trouble = ""
        if self._said_trouble:
            self._said_trouble = False
            log.info("journal.read", "errors in the journal are counted again")


def _environment() -> dict[str, str]:
    """What journalctl needs, and nothing that would change what it prints."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


async def _end(process: Process) -> None:
    """End it, which has nothing to lose, and wait for that, also if cancelled: else the loop may be closed first."""
    ending = asyncio.create_task(_ended(process))
    try:
        await asyncio.shield(ending)
    except asyncio.CancelledError:
        await ending
        raise


async def _ended(process: Process) -> None:
    assert process.stdout
    with suppress(ProcessLookupError):
        process.kill()
    with suppress(TimeoutError):
        async with asyncio.timeout(END_SECONDS):
            # asyncio keeps the pipe open until its end has been read.
            while await process.stdout.read(CHUNK):
                pass
            await process.wait()
