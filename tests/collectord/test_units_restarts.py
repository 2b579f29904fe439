"""On a real bus: automatic restarts, as older releases of systemd signal them, and that of the collector itself."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dbus_fast import Variant

from sysmonstm.collectord.units import watch as watching
from tests.collectord.followed_units import followed, machine
from tests.collectord.played_bus import RealBus, played_systemd, real_bus, service
from tests.shared.real_server import until


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RealBus]:
    async with real_bus(tmp_path) as bus:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
        yield bus


@pytest.mark.parametrize("after", [0.0, 0.1, 1.0])
async def test_a_restart_by_an_older_systemd_is_no_failure(bus: RealBus, after: float) -> None:
    async with machine(bus, web=service()) as (systemd, one):
        await systemd.restarts_as_252("web.service", 1, after)
        await one.says("unit.restarted", "web.service")
        await one.quiet()
        assert one.kinds == [("unit.restarted", "web.service")]
        assert one.watch.snapshot
        assert (one.watch.snapshot.active, one.watch.snapshot.by_failure) == (1, ())


async def test_a_failure_is_said_only_if_systemd_is_not_about_to_restart_it(bus: RealBus) -> None:
    async with machine(bus, web=service(), other=service()) as (systemd, one):
        # Its signal has come, and that of what it is by now has not.
        systemd.fails("web.service")
        web = systemd.units["web.service"]
        web.active, web.sub = "activating", "auto-restart"
        await one.quiet()
        systemd.becomes("web.service", "inactive", "dead", NRestarts=Variant("u", 1))
        systemd.runs("web.service")
        systemd.fails("other.service")
        await one.says("unit.failed", "other.service")
        await one.says("unit.restarted", "web.service")
        assert sorted(one.kinds) == [("unit.failed", "other.service"), ("unit.restarted", "web.service")]


@pytest.mark.parametrize(("restarts", "said"), [(0, []), (3, ["3"])])
async def test_that_systemd_had_to_restart_the_collector_is_said_once(
    bus: RealBus, monkeypatch: pytest.MonkeyPatch, restarts: int, said: list[str]
) -> None:
    monkeypatch.setattr(watching, "BACKOFF_CAP_SECONDS", 0.2)
    own, other = service("activating", "start", restarts=restarts), service(restarts=5)
    own.own["MainPID"] = Variant("u", os.getpid())
    async with played_systemd(bus.address, {"own.service": own, "other.service": other}) as systemd:
        systemd.own_unit = "own.service"
        async with followed() as one:
            await one.shows("it is listed", lambda snapshot: snapshot.active == 1)
            if restarts:
                systemd.runs("own.service")
                await one.shows("it runs", lambda snapshot: snapshot.active == 2)
            await bus.kill()
            await until("it is away", lambda: bool(one.watch.trouble))
            await bus.start()
            await systemd.start(bus.address)
            await one.shows("it is followed again", lambda snapshot: snapshot.active > 0)
            assert [happening.fields["restarts"] for happening in one.said] == said
            assert set(one.kinds) <= {("unit.restarted", "own.service")}
