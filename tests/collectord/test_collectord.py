"""The real process: what it does when it is told to stop, when it is killed, and what it finds when it starts again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sysmonstm.collectord import __main__ as main
from sysmonstm.collectord.settings import CollectorSettings
from tests.collectord.scripted_hub import Call, ScriptedHub, free_address, last_seq, serving, take_all
from tests.collectord.uplinked import hung_disk, outbox_in
from tests.shared.real_server import PATIENCE_SECONDS, until


class Collectord:
    """A running sysmon-collectord, ten samples a second."""

    def __init__(self, process: Process, log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def events(self) -> dict[str, dict[str, Any]]:
        """The last log line of each event."""
        lines = [json.loads(line) for line in self._log.read_text().splitlines() if line.startswith("{")]
        return {line["event"]: line for line in lines}

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()

    async def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert await self.ended() == 0, self._log.read_text()


@asynccontextmanager
async def collectord(directory: Path, address: str) -> AsyncIterator[Collectord]:
    """One whose spool is in `directory`; killed in the end if it still runs."""
    environment = os.environ | {
        "COLLECTOR_MACHINE_ID": "web1",
        "COLLECTOR_AGGREGATOR_URL": address,
        "COLLECTOR_COLLECTION_INTERVAL": "0.1",
        "COLLECTOR_SPOOL_DIRECTORY": str(directory / "spool"),
        "COLLECTOR_SPOOL_FREE_BYTES": "0",
        "LOG_FORMAT": "json",
    }
    log = directory / "collectord.log"
    with log.open("w") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sysmonstm.collectord", env=environment, stderr=output
        )
    try:
        yield Collectord(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def spooled(directory: Path) -> int:
    """How many frames wait in the spool of a collector that has ended."""
    async with outbox_in(directory / "spool") as outbox:
        return outbox.unacknowledged


async def test_told_to_stop_it_waits_for_the_last_samples_to_be_acknowledged(tmp_path: Path) -> None:
    stopping = asyncio.Event()

    async def late(hub: ScriptedHub, call: Call) -> None:
        await call.welcome()
        async for message in call:
            hub.batches.append((call.hello.stream, message.batch))
            await stopping.wait()
            await asyncio.sleep(0.2)
            await call.ack(last_seq(message.batch))

    hub = ScriptedHub(late)
    async with serving(hub) as address, collectord(tmp_path, address) as collector:
        await until("the first has come", lambda: bool(hub.frames))
        await asyncio.sleep(0.5)
        asyncio.get_running_loop().call_later(0.5, stopping.set)
        await collector.stop()
        assert "samples.kept" not in collector.events
    assert await spooled(tmp_path) == 0
    assert hub.seqs == list(range(1, len(hub.seqs) + 1))


async def test_told_to_stop_with_the_window_shut_it_waits_for_nobody_and_the_spool_keeps_them(tmp_path: Path) -> None:
    async def shut(hub: ScriptedHub, call: Call) -> None:
        await call.welcome(window=0)
        async for _ in call:
            pass

    hub = ScriptedHub(shut)
    async with serving(hub) as address, collectord(tmp_path, address) as collector:
        await until("some are shown", lambda: len(hub.live_frames) >= 3)
        await collector.stop()
        kept = collector.events["samples.kept"]["fields"]["samples"]
    assert kept >= 3
    assert await spooled(tmp_path) == kept


async def test_a_disk_that_hangs_does_not_keep_it_from_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(main, "CLOSE_SECONDS", 0.2)
    settings = CollectorSettings(spool_directory=tmp_path, spool_free_bytes=0)
    async with AsyncExitStack() as thawed, main._outbox(settings) as outbox:
        await thawed.enter_async_context(hung_disk(outbox))
    assert [message for message in caplog.messages if "disk hangs" in message]


async def test_without_a_hub_it_starts_stops_and_delivers_later(tmp_path: Path) -> None:
    async with collectord(tmp_path, free_address()) as collector:
        await until("it is away", lambda: "uplink.away" in collector.events)
        # Some samples' worth.
        await asyncio.sleep(1.0)
        await collector.stop()
        kept = collector.events["samples.kept"]["fields"]["samples"]
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, collectord(tmp_path, address) as collector:
        await until("all have come and new ones", lambda: len(hub.frames) > kept)
        await collector.stop()
    assert hub.seqs == list(range(1, len(hub.seqs) + 1))
    assert len(hub.hellos) == 1


async def test_killed_it_loses_nothing_that_was_spooled_and_sends_nothing_under_two_names(tmp_path: Path) -> None:
    async def keep_quiet(hub: ScriptedHub, call: Call) -> None:
        """Acknowledges the first few, and takes some more."""
        await call.welcome(window=100)
        async for message in call:
            hub.batches.append((call.hello.stream, message.batch))
            if len(hub.frames) <= 5:
                await call.ack(last_seq(message.batch), window=100)

    first, second = ScriptedHub(keep_quiet), ScriptedHub(take_all)
    async with serving(first) as address, collectord(tmp_path, address) as collector:
        await until("some are not acknowledged", lambda: len(first.frames) >= 12)
        collector.process.kill()
        await collector.ended()
    async with serving(second) as address, collectord(tmp_path, address) as collector:
        await until("new ones have come", lambda: len(second.frames) > 20)
        await collector.stop()
    assert {hello.stream for hello in second.hellos} == {first.hellos[0].stream}
    assert second.seqs == list(range(second.seqs[0], second.seqs[0] + len(second.seqs)))
    assert 1 < second.seqs[0] <= 6
    times = {frame.seq: frame.time_us for frame in first.frames}
    again = [frame for frame in second.frames if frame.seq in times]
    assert len(again) >= 7
    assert all(frame.time_us == times[frame.seq] for frame in again)
