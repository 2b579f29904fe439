"""When the watchdog of sysmon-aggregatord is told that all is well, and when not."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.shared.real_server import RealServer
from tests.units import wedged_aggregatord
from tests.units.conftest import WATCHDOG_SECONDS, StartsAggregatord, sampling
from tests.units.played_systemd import PlayedSystemd, replaced_after

# Beyond WatchdogSec: the longest that a loop of our own may be silent.
GRACE_SECONDS = 5.0
# A server of gRPC's own is given more, for it may be busy.
GRPC_GRACE_SECONDS = 11.0
# Longer than every loop may be silent that is not excused.
LONG_SECONDS = 8.0


@pytest.mark.parametrize("loop", [*wedged_aggregatord.LOOPS, wedged_aggregatord.EVENT_LOOP])
def test_a_loop_that_makes_no_progress_has_the_daemon_replaced(aggregatord: StartsAggregatord, loop: str) -> None:
    systemd = aggregatord(command=(sys.executable, "-m", "tests.units.wedged_aggregatord", loop))
    grace = GRPC_GRACE_SECONDS if loop == "grpc" else GRACE_SECONDS
    # Each has made progress once.
    time.sleep(2)
    assert replaced_after(systemd, lambda: systemd.signal(signal.SIGUSR1), WATCHDOG_SECONDS) <= WATCHDOG_SECONDS + grace
    if loop != wedged_aggregatord.EVENT_LOOP:
        (late,) = systemd.events("watchdog.late")
        assert isinstance(fields := late["fields"], dict)
        assert fields["loops"] == [loop]
        assert "wedged_aggregatord.py" in fields["where"][loop]
    # As systemd does it: where everything was is in the log then.
    os.kill(systemd.pid, signal.SIGABRT)
    assert systemd.ends() == -signal.SIGABRT
    assert "Fatal Python error: Aborted" in systemd.log()
    assert "most recent call first" in systemd.log()


def test_a_stopped_process_tells_the_watchdog_nothing_and_goes_on_when_it_is_continued(
    aggregatord: StartsAggregatord,
) -> None:
    systemd = aggregatord()
    taken = replaced_after(systemd, lambda: systemd.signal(signal.SIGSTOP), WATCHDOG_SECONDS)
    assert taken <= WATCHDOG_SECONDS + GRACE_SECONDS
    systemd.signal(signal.SIGCONT)
    systemd.waits_for("WATCHDOG", "1", after=time.monotonic())


def goes_on(systemd: PlayedSystemd) -> None:
    """The watchdog is told for longer than any loop may be silent, and never late."""
    began = time.monotonic()
    systemd.hear(LONG_SECONDS)
    pings = [began, *(one.time for one in systemd.heard if "WATCHDOG" in one.fields and one.time > began)]
    gaps = [later - earlier for earlier, later in zip(pings, [*pings[1:], time.monotonic()], strict=True)]
    assert max(gaps) < WATCHDOG_SECONDS, systemd.log()
    assert systemd.events("watchdog.late") == []


def test_a_database_that_hangs_is_no_reason_to_be_replaced(
    aggregatord: StartsAggregatord, own_postgres: RealServer, tmp_path: Path
) -> None:
    systemd = aggregatord(settings={"TIMESCALE_URL": own_postgres.url})
    systemd.logs("database.up")
    with sampling(tmp_path, systemd.unit.sockets["ingest"][0]):
        systemd.says("1 of 1 machines connected")
        own_postgres.freeze()
        try:
            # There is something to write, and nobody who says that it is written.
            goes_on(systemd)
            systemd.says("waiting for the database, for 1")
        finally:
            own_postgres.thaw()


def test_a_database_that_is_away_is_no_reason_to_be_replaced(aggregatord: StartsAggregatord) -> None:
    systemd = aggregatord(settings={"TIMESCALE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    goes_on(systemd)
    systemd.says("the database is away")


@pytest.mark.parametrize("frozen", [True, False])
def test_a_redis_that_hangs_or_is_away_is_no_reason_to_be_replaced(
    aggregatord: StartsAggregatord, own_redis: RealServer, frozen: bool
) -> None:
    systemd = aggregatord(settings={"REDIS_URL": own_redis.url})
    if frozen:
        own_redis.freeze()
    else:
        own_redis.kill()
    try:
        goes_on(systemd)
        systemd.says("Redis is away")
    finally:
        if frozen:
            own_redis.thaw()


def test_a_quiet_network_is_no_reason_to_be_replaced(aggregatord: StartsAggregatord) -> None:
    goes_on(aggregatord())
