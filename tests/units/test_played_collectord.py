"""sysmon-collectord under a played systemd: its socket, its settings, its watchdog, and what units do to it."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest
from dbus_fast import Variant

from sysmon.v1 import ingest_pb2 as pb
from tests.collectord.played_bus import PlayedSystemd as PlayedPid1
from tests.collectord.played_bus import RealBus, played_systemd, real_bus, service
from tests.collectord.scripted_hub import Call, ScriptedHub, free_address, serving, take_all
from tests.shared.real_server import until
from tests.units.conftest import WATCHDOG_SECONDS
from tests.units.played_systemd import PlayedSystemd, Unit, replaced_after, unix_socket

GRACE_SECONDS = 5.0
# A failed unit is at the hub by then.
SOON_SECONDS = 2.0
# Longer than every loop may be silent that is not excused.
LONG_SECONDS = 8.0

StartsCollectord = Callable[..., PlayedSystemd]


@pytest.fixture
def collectord(tmp_path: Path) -> Iterator[StartsCollectord]:
    """Makes units of sysmon-collectord, started and ready, which read what they are told from collectord.toml."""
    with ExitStack() as opened:

        def make(address: str, *, command: Sequence[str] = (), interval: float = 1.0, **more: str) -> PlayedSystemd:
            write(tmp_path, address, collection_interval=interval)
            said = {
                "COLLECTOR_MACHINE_ID": "web1",
                "COLLECTOR_SPOOL_DIRECTORY": str(tmp_path / "spool"),
                "COLLECTOR_SPOOL_FREE_BYTES": "0",
            }
            unit = Unit(
                "collectord",
                said | more,
                {"metrics": [unix_socket(tmp_path / "metrics.sock", socket.SOCK_DGRAM)]},
                ("--config", str(tmp_path / "collectord.toml")),
                WATCHDOG_SECONDS,
                tuple(command),
            )
            systemd = opened.enter_context(PlayedSystemd(tmp_path, unit))
            systemd.start()
            systemd.is_ready()
            return systemd

        yield make


def write(directory: Path, address: str, **more: object) -> None:
    lines = [f'aggregator_url = "{address}"', *(f"{name} = {value}" for name, value in more.items())]
    (directory / "collectord.toml").write_text("\n".join(lines))


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[RealBus]:
    async with real_bus(tmp_path) as bus:
        yield bus


def events(hub: ScriptedHub) -> list[pb.Event]:
    return [event for frame in hub.frames for event in frame.events]


async def start(collectord: StartsCollectord, *arguments: object, **more: object) -> PlayedSystemd:
    """Started in a thread, as the hub and the bus of a test need its event loop."""
    return await asyncio.to_thread(lambda: collectord(*arguments, **more))


async def test_its_status_says_what_it_reads_and_where_it_sends(collectord: StartsCollectord) -> None:
    async with serving(ScriptedHub(take_all)) as address:
        systemd = await start(collectord, address)
        await asyncio.to_thread(systemd.says, f"every 1 s, connected to {address}, no sample waits")
        assert systemd.listens_itself() == []
        assert await asyncio.to_thread(systemd.stop) == 0


async def test_what_a_local_program_said_before_the_start_is_a_series(
    collectord: StartsCollectord, tmp_path: Path
) -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address:
        systemd = await start(collectord, address, interval=0.2)
        await asyncio.to_thread(systemd.stop)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as program:
            program.sendto(b"shop.waiting:17|g\n", str(tmp_path / "metrics.sock"))
        hub.batches.clear()
        systemd.start()
        await until("it is there", lambda: any(17.0 in frame.values for frame in hub.frames))


async def test_other_settings_hold_without_a_restart(collectord: StartsCollectord, tmp_path: Path) -> None:
    first, second = ScriptedHub(take_all), ScriptedHub(take_all)
    async with serving(first) as address, serving(second) as other:
        systemd = await start(collectord, address, interval=3600.0)
        pid = systemd.pid
        await until("the first sample has come", lambda: bool(first.frames))
        assert first.hellos[0].interval_seconds == 3600.0
        tags = ["web", "rack:4"]
        write(
            tmp_path, other, collection_interval=0.25, cgroups=0, probe_deadline=0.1, spool_bytes=2_000_000, tags=tags
        )
        assert (await asyncio.to_thread(systemd.reload)).pid == pid
        await until("samples come, and often", lambda: len(second.frames) > 5)
        assert second.hellos[0].interval_seconds == 0.25
        assert second.hellos[0].tags == tags
        # Nothing was lost or sent twice on the way.
        assert second.seqs == list(range(len(first.seqs) + 1, len(first.seqs) + len(second.seqs) + 1))
        await asyncio.to_thread(systemd.says, f"every 0.25 s, connected to {other}")
        (done,) = systemd.events("reload.done")
        assert isinstance(fields := done["fields"], dict)
        assert "aggregator_url" in fields["changed"]
        assert "uplink.away" not in [one["event"] for one in systemd.events()]


async def test_settings_that_are_the_same_leave_the_connection_alone(
    collectord: StartsCollectord, tmp_path: Path
) -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address:
        systemd = await start(collectord, address, interval=0.2)
        await until("samples come", lambda: bool(hub.frames))
        write(tmp_path, address, collection_interval=0.2, metrics_series=7)
        await asyncio.to_thread(systemd.reload)
        count = len(hub.frames)
        await until("samples go on", lambda: len(hub.frames) > count + 3)
        assert len(hub.hellos) == 1


async def test_bad_settings_are_refused_and_the_old_ones_stay(collectord: StartsCollectord, tmp_path: Path) -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address:
        systemd = await start(collectord, address, interval=0.2)
        write(tmp_path, address, collection_interval=-1)
        await asyncio.to_thread(systemd.reload)
        assert len(systemd.events("reload.refused")) == 1
        count = len(hub.frames)
        await until("samples go on", lambda: len(hub.frames) > count + 3)


async def test_a_failed_unit_is_an_event_at_the_hub_within_two_seconds(
    collectord: StartsCollectord, bus: RealBus
) -> None:
    hub = ScriptedHub(take_all)
    units = {"web.service": service(description="A web server"), "other.service": service()}
    async with serving(hub) as address, played_systemd(bus.address, units) as pid1:
        systemd = await start(collectord, address, interval=3600.0, DBUS_SYSTEM_BUS_ADDRESS=bus.address)
        await until("the first sample has come", lambda: bool(hub.frames))
        await asyncio.to_thread(systemd.says, "0 units failed")
        taken = await _seconds_until_event(hub, pid1, "web.service")
        assert taken < SOON_SECONDS
        (event,) = events(hub)
        assert (event.kind, event.severity, event.fields["unit"]) == ("unit.failed", pb.SEVERITY_WARNING, "web.service")
        assert event.message == "web.service has failed: exit-code, exit code 1"
        assert abs(event.time_us / 1e6 - time.time()) < 60
        await asyncio.to_thread(systemd.says, "1 units failed")
        # And another one, soon after.
        assert await _seconds_until_event(hub, pid1, "other.service") < SOON_SECONDS
        # A sample for each, not a stream of them.
        assert len(hub.frames) == 3


async def _seconds_until_event(hub: ScriptedHub, pid1: PlayedPid1, unit: str) -> float:
    began = time.monotonic()
    pid1.fails(unit)
    await until(f"{unit} is at the hub", lambda: any(event.fields["unit"] == unit for event in events(hub)))
    return time.monotonic() - began


async def test_what_happens_right_before_it_stops_is_sent(collectord: StartsCollectord, bus: RealBus) -> None:
    hub = ScriptedHub(take_all)
    units = {"web.service": service("inactive", "dead")}
    async with serving(hub) as address, played_systemd(bus.address, units) as pid1:
        systemd = await start(collectord, address, interval=3600.0, DBUS_SYSTEM_BUS_ADDRESS=bus.address)
        await asyncio.to_thread(systemd.says, "0 units failed")
        # A start is not urgent: it waits for the next sample, an hour from now.
        pid1.runs("web.service")
        await asyncio.sleep(1.0)
        assert events(hub) == []
        assert await asyncio.to_thread(systemd.stop) == 0
    assert [event.kind for event in events(hub)] == ["unit.started"]


async def test_what_failed_while_it_did_not_run_is_said_with_its_own_time(
    collectord: StartsCollectord, bus: RealBus
) -> None:
    hub = ScriptedHub(take_all)
    old, missed, own = service("failed", "failed"), service("failed", "failed"), service()
    old.general["StateChangeTimestamp"] = Variant("t", 1_600_000_000_000_000)
    missed.general["StateChangeTimestamp"] = Variant("t", 1_700_000_000_000_000)
    own.general["ActiveExitTimestamp"] = Variant("t", 1_650_000_000_000_000)
    units = {"old.service": old, "missed.service": missed, "sysmon-collectord.service": own}
    async with serving(hub) as address, played_systemd(bus.address, units) as pid1:
        systemd = await start(collectord, address, interval=0.5)
        await asyncio.to_thread(systemd.stop)
        pid1.own_unit = "sysmon-collectord.service"
        await asyncio.to_thread(lambda: systemd.start(DBUS_SYSTEM_BUS_ADDRESS=bus.address))
        own.own["MainPID"] = Variant("u", systemd.pid)
        await until("it is said", lambda: bool(events(hub)))
        await asyncio.to_thread(systemd.says, "2 units failed")
    assert [(event.fields["unit"], event.time_us) for event in events(hub)] == [
        ("missed.service", 1_700_000_000_000_000)
    ]


@pytest.mark.parametrize(
    ("part", "interval"), [("sampler", 0.2), ("schedule", 3600.0), ("units", 0.2), ("event loop", 0.2)]
)
async def test_a_part_that_makes_no_progress_has_it_replaced(
    collectord: StartsCollectord, bus: RealBus, part: str, interval: float
) -> None:
    command = (sys.executable, "-m", "tests.units.wedged_collectord", part)
    loop = asyncio.get_running_loop()
    async with played_systemd(bus.address, {"web.service": service()}) as pid1:
        systemd = await start(
            collectord, free_address(), command=command, interval=interval, DBUS_SYSTEM_BUS_ADDRESS=bus.address
        )
        await asyncio.to_thread(systemd.says, "0 units failed")

        def wedge() -> None:
            systemd.signal(signal.SIGUSR1)
            # Whoever follows units gets there at once.
            loop.call_soon_threadsafe(pid1.runs, "web.service")

        taken = await asyncio.to_thread(replaced_after, systemd, wedge, WATCHDOG_SECONDS)
    assert taken <= WATCHDOG_SECONDS + GRACE_SECONDS


async def goes_on(systemd: PlayedSystemd) -> None:
    """The watchdog is told for longer than any loop may be silent, and never late."""
    await asyncio.to_thread(systemd.hear, LONG_SECONDS)
    pings = [one.time for one in systemd.heard if "WATCHDOG" in one.fields]
    assert max(later - earlier for earlier, later in pairwise(pings)) < WATCHDOG_SECONDS
    assert systemd.events("watchdog.late") == []


async def test_a_disk_that_hangs_is_no_reason_to_be_replaced(collectord: StartsCollectord) -> None:
    command = (sys.executable, "-m", "tests.units.wedged_collectord", "disk")
    address = free_address()
    systemd = await start(collectord, address, command=command, interval=0.2)
    await asyncio.to_thread(systemd.says, "samples wait")
    systemd.signal(signal.SIGUSR1)
    await asyncio.to_thread(systemd.logs, "test.wedged")
    # Samples are neither written any more, nor read for the hub that comes now.
    hub = ScriptedHub(take_all)
    async with serving(hub, int(address.rpartition(":")[2])):
        await asyncio.to_thread(systemd.says, "connected")
        await goes_on(systemd)
    assert hub.frames == []


async def test_hubs_that_are_away_or_take_nothing_are_no_reason_to_be_replaced(collectord: StartsCollectord) -> None:
    async def deaf(hub: ScriptedHub, call: Call) -> None:
        await call.welcome(window=1)
        await asyncio.Event().wait()

    hub = ScriptedHub(deaf)
    async with serving(hub) as address:
        systemd = await start(collectord, address, interval=0.2)
        await goes_on(systemd)
    await goes_on(systemd)


async def test_a_bus_that_is_away_or_deaf_is_no_reason_to_be_replaced(
    collectord: StartsCollectord, bus: RealBus
) -> None:
    async with played_systemd(bus.address, {"web.service": service()}) as pid1:
        pid1.answers = False
        systemd = await start(collectord, free_address(), interval=0.2, DBUS_SYSTEM_BUS_ADDRESS=bus.address)
        await goes_on(systemd)
        await bus.kill()
        await goes_on(systemd)
