"""On a real bus: what happens to units is heard without asking, said once, and survives the bus and systemd."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dbus_fast import Message, Variant

from sysmonstm.collectord.units import watch as watching
from sysmonstm.collectord.units.bus import PROPERTIES, UNIT, UNIT_PATH, unit_name, unit_path
from sysmonstm.collectord.units.known import MOST_SHOWN
from tests.collectord.followed_units import followed, machine
from tests.collectord.played_bus import RealBus, played_systemd, real_bus, service
from tests.shared.real_server import until


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RealBus]:
    async with real_bus(tmp_path) as bus:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
        yield bus


async def test_a_failure_is_said_with_why_and_shown_until_it_runs_again(bus: RealBus) -> None:
    async with machine(bus, web=service(description="A web server"), other=service()) as (systemd, one):
        assert one.said == []
        systemd.fails("web.service", code=1, status=3)
        failed = await one.says("unit.failed", "web.service")
        assert failed.message == "web.service has failed: exit-code, exit code 3"
        assert failed.fields == {
            "unit": "web.service",
            "description": "A web server",
            "result": "exit-code",
            "exit_code": "3",
            "restarts": "0",
        }
        await one.shows("it is shown", lambda snapshot: snapshot.by_failure == (("web.service", True),))
        assert one.watch.snapshot
        assert (one.watch.snapshot.active, one.watch.snapshot.failed) == (1, 1)
        systemd.becomes("web.service", "activating", "start")
        systemd.runs("web.service")
        await one.says("unit.recovered", "web.service")
        await one.shows("it is well", lambda snapshot: snapshot.by_failure == (("web.service", False),))
        assert one.kinds == [("unit.failed", "web.service"), ("unit.recovered", "web.service")]


async def test_nothing_is_asked_while_nothing_changes(bus: RealBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BEAT_SECONDS", 0.05)
    async with machine(bus, web=service()) as (systemd, one):
        systemd.asked.clear()
        await asyncio.sleep(1.0)
        assert systemd.asked == []
        # Its status text changed: nothing that is of interest.
        systemd.becomes("web.service", "active", "running")
        await one.quiet()
        assert systemd.asked == []


async def test_a_failure_that_is_reset_has_recovered(bus: RealBus) -> None:
    async with machine(bus, web=service(), job=service()) as (systemd, one):
        systemd.fails("web.service")
        systemd.fails("job.service", code=2, status=9, result="signal")
        assert (await one.says("unit.failed", "job.service")).fields["signal"] == "SIGKILL"
        systemd.becomes("web.service", "inactive", "dead")
        assert (await one.says("unit.recovered", "web.service")).fields["state"] == "inactive"
        systemd.unloads("job.service")
        await one.says("unit.recovered", "job.service")


async def test_a_restart_loop_is_said_at_once_and_then_counted(bus: RealBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "BEAT_SECONDS", 0.1)
    monkeypatch.setattr("sysmonstm.collectord.units.state.RESTARTS_EVERY", 2.0)
    async with machine(bus, web=service()) as (systemd, one):
        for number in range(1, 6):
            systemd.becomes("web.service", "activating", "auto-restart", Result=Variant("s", "exit-code"))
            systemd.becomes("web.service", "active", "running", NRestarts=Variant("u", number))
            if number == 1:
                await one.says("unit.restarted", "web.service")
        await one.shows("all are counted", lambda snapshot: snapshot.by_restarts == (("web.service", 5),))
        again = await one.says("unit.restarted", "web.service", count=2)
        assert again.message == "systemd has restarted web.service 4 times"
        assert set(one.kinds) == {("unit.restarted", "web.service")}


async def test_restarts_of_before_are_shown_and_no_news(bus: RealBus) -> None:
    async with machine(bus, web=service(restarts=7)) as (systemd, one):
        await one.shows("they are counted", lambda snapshot: snapshot.by_restarts == (("web.service", 7),))
        systemd.becomes("web.service", "active", "exited")
        await one.quiet()
        assert one.said == []
        systemd.becomes("web.service", "active", "running", NRestarts=Variant("u", 8))
        assert (await one.says("unit.restarted", "web.service")).fields["count"] == "1"


async def test_starts_and_stops_are_said_of_lasting_services_only(bus: RealBus) -> None:
    oneshot, transient = service("inactive", "dead", kind="oneshot"), service("inactive", "dead")
    transient.general["Transient"] = Variant("b", True)
    units = {"web": service(), "once": oneshot, "made": transient, "new": service("inactive", "dead")}
    async with machine(bus, **units) as (systemd, one):
        systemd.becomes("web.service", "deactivating", "stop-sigterm")
        systemd.becomes("web.service", "inactive", "dead")
        for name in ("once.service", "made.service", "new.service"):
            systemd.becomes(name, "active", "running")
        await one.says("unit.stopped", "web.service")
        await one.says("unit.started", "new.service")
        await one.quiet()
        assert sorted(one.kinds) == [("unit.started", "new.service"), ("unit.stopped", "web.service")]


async def test_a_unit_that_appears_is_looked_at(bus: RealBus) -> None:
    async with machine(bus, web=service()) as (systemd, one):
        systemd.loads("late.service", service("failed", "failed", "Comes late"))
        assert (await one.says("unit.failed", "late.service")).fields["description"] == "Comes late"
        systemd.loads("gone.service", service())
        systemd.unloads("gone.service")
        await one.quiet()
        assert one.kinds == [("unit.failed", "late.service")]


async def test_what_is_listed_and_signalled_at_once_is_said_once(bus: RealBus) -> None:
    async with machine(bus, web=service()) as (systemd, one):

        def fail_and_fail_again() -> None:
            systemd.before_list = lambda: None
            for name in ("late.service", "web.service"):
                systemd.becomes(name, "activating", "start")
                systemd.fails(name)

        systemd.before_list = fail_and_fail_again
        systemd.loads("late.service", service("inactive", "dead", "Comes late"))
        await one.says("unit.failed", "late.service")
        await one.says("unit.failed", "web.service")
        systemd.before_list = lambda: systemd.runs("web.service")
        systemd.reloading(True)
        systemd.reloading(False)
        await one.says("unit.recovered", "web.service")
        await one.quiet()
        assert max(Counter(one.kinds).values()) == 1
        assert len(one.said) == 3


async def test_a_unit_that_is_let_go_of_as_it_fails_says_why_and_is_not_well(bus: RealBus) -> None:
    async with machine(bus, web=service(), once=service()) as (systemd, one):
        systemd.fails("once.service", code=1, status=3)
        systemd.unloads("once.service")
        failed = await one.says("unit.failed", "once.service")
        assert failed.message == "once.service has failed: exit-code, exit code 3"
        await one.shows("it is gone", lambda snapshot: snapshot.failed == 0)
        await one.quiet()
        assert one.kinds == [("unit.failed", "once.service")]


class Restarted:
    """This process as a service that systemd runs, and services that failed around the end of the run before."""

    ENDED = 1_700_000_000_000_000

    def __init__(self, restarts: int) -> None:
        own = service(restarts=restarts)
        own.own["MainPID"] = Variant("u", os.getpid())
        own.general["ActiveExitTimestamp"] = Variant("t", self.ENDED)
        self.units = {"own.service": own}
        for name, seconds in (("long", -600), ("shortly", -10), ("later", 5)):
            self.units[f"{name}.service"] = unit = service("failed", "failed")
            unit.general["StateChangeTimestamp"] = Variant("t", self.ENDED + seconds * 1_000_000)
        # One that does not answer.
        self.units["odd.service"] = service("failed", "failed")

    async def said(self, bus: RealBus) -> list[tuple[str, int]]:
        async with played_systemd(bus.address, self.units) as systemd:
            systemd.own_unit = "own.service"
            async with followed() as one:
                await one.shows("it is listed", lambda snapshot: snapshot.failed == 4)
                failed = [said for said in one.said if said.kind == "unit.failed"]
                return sorted((said.fields["unit"], (said.time_us - self.ENDED) // 1_000_000) for said in failed)


async def test_what_failed_since_a_run_that_ended_well_is_said(bus: RealBus) -> None:
    assert await Restarted(0).said(bus) == [("later.service", 5)]


async def test_what_failed_just_before_a_run_that_did_not_end_well_is_said_too(bus: RealBus) -> None:
    assert await Restarted(1).said(bus) == [("later.service", 5), ("shortly.service", -10)]


async def test_jobs_are_counted(bus: RealBus) -> None:
    waiting = service("inactive", "dead")
    waiting.job = 5
    async with machine(bus, web=waiting) as (systemd, one):
        await one.shows("one waits", lambda snapshot: snapshot.jobs == 1)
        systemd.queues(6, "web.service")
        await one.shows("two wait", lambda snapshot: snapshot.jobs == 2)
        for number in (5, 6, 7):
            systemd.finishes(number, "web.service")
        await one.shows("none waits", lambda snapshot: snapshot.jobs == 0)


async def test_the_bus_may_die_and_nothing_is_said_twice_or_missed(
    bus: RealBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "BACKOFF_CAP_SECONDS", 0.2)
    async with machine(bus, old=service(), new=service(), well=service()) as (systemd, one):
        systemd.fails("old.service")
        systemd.fails("well.service")
        await one.says("unit.failed", "old.service")
        await one.says("unit.failed", "well.service")
        await bus.kill()
        await until("it is away", lambda: bool(one.watch.trouble))
        assert one.watch.snapshot is None
        systemd.units["new.service"].active = systemd.units["new.service"].sub = "failed"
        systemd.units["well.service"].active, systemd.units["well.service"].sub = "active", "running"
        await bus.start()
        await systemd.start(bus.address)
        await one.says("unit.failed", "new.service")
        await one.says("unit.recovered", "well.service")
        await one.shows("it is followed again", lambda snapshot: snapshot.failed == 2)
        assert one.watch.trouble == ""
        assert max(Counter(one.kinds).values()) == 1
        systemd.runs("old.service")
        await one.says("unit.recovered", "old.service")


async def test_systemd_may_leave_the_bus_and_come_back(bus: RealBus) -> None:
    async with machine(bus, web=service(), other=service()) as (systemd, one):
        systemd.fails("web.service")
        await one.says("unit.failed", "web.service")
        await systemd.stop()
        await until("it is away", lambda: "left" in one.watch.trouble)
        await systemd.start(bus.address)
        await one.shows("it is followed again", lambda snapshot: snapshot.failed == 1)
        systemd.fails("other.service")
        await one.says("unit.failed", "other.service")
        assert max(Counter(one.kinds).values()) == 1


async def test_what_is_signalled_during_a_reload_means_nothing(bus: RealBus) -> None:
    async with machine(bus, web=service(), gone=service()) as (systemd, one):
        systemd.fails("web.service")
        await one.says("unit.failed", "web.service")
        systemd.reloading(True)
        kept = systemd.units["web.service"]
        systemd.unloads("web.service")
        systemd.unloads("gone.service")
        await one.quiet()
        systemd.loads("web.service", kept)
        systemd.reloading(False)
        await one.shows("it was listed anew", lambda snapshot: (snapshot.active, snapshot.failed) == (0, 1))
        assert max(Counter(one.kinds).values()) == 1
        assert ("unit.recovered", "web.service") not in one.kinds


async def test_a_flood_costs_a_bounded_number_of_events_and_series(bus: RealBus) -> None:
    units = {f"u{number}": service() for number in range(300)}
    async with machine(bus, **units) as (systemd, one):
        systemd.asked.clear()
        for name in systemd.units:
            for _ in range(3):
                systemd.becomes(name, "activating", "start")
                systemd.fails(name)
            # The library takes a full socket for a broken one.
            await asyncio.sleep(0.002)
        await one.shows("all have failed", lambda snapshot: snapshot.failed == 300)
        assert Counter(one.kinds).most_common(1)[0][1] <= 3
        assert len(one.said) == 100
        assert one.watch.snapshot
        assert len(one.watch.snapshot.by_failure) == MOST_SHOWN
        # Six changes a unit were signalled, and all is asked once: why, with which code, how, how many restarts.
        assert len(systemd.asked) < 300 * 6


async def test_a_systemd_that_does_not_answer_is_given_up_and_tried_again(
    bus: RealBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sysmonstm.collectord.units.bus.CALL_SECONDS", 0.2)
    monkeypatch.setattr(watching, "BACKOFF_CAP_SECONDS", 0.2)
    async with played_systemd(bus.address, {"web.service": service()}) as systemd:
        systemd.answers = False
        async with followed() as one:
            await until("it is away", lambda: "not answered" in one.watch.trouble)
            systemd.answers = True
            await one.shows("it is followed", lambda snapshot: snapshot.active == 1)


async def test_what_is_no_signal_of_systemd_is_passed_over(bus: RealBus) -> None:
    async with machine(bus, web=service()) as (systemd, one):
        odd = f"{UNIT_PATH}/odd_0a_1b_5d"
        for body in ({"ActiveState": Variant("u", 3)}, {"SubState": Variant("s", "x")}, {}):
            systemd.says(Message.new_signal(odd, PROPERTIES, "PropertiesChanged", "sa{sv}as", [UNIT, body, []]))
        systemd.fails("web.service")
        await one.says("unit.failed", "web.service")
        assert [kind for kind, _ in one.kinds] == ["unit.failed"]


async def test_without_a_bus_it_goes_on_trying(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")
    async with followed() as one:
        await until("it is away", lambda: bool(one.watch.trouble))
        await asyncio.sleep(0.2)
        assert one.watch.snapshot is None


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("web.service", "web_2eservice"),
        ("getty@tty1.service", "getty_40tty1_2eservice"),
        ("dev-disk-by\\x2duuid.device", "dev_2ddisk_2dby_5cx2duuid_2edevice"),
        ("3proxy.service", "_33proxy_2eservice"),
    ],
)
def test_units_are_found_by_their_objects(name: str, path: str) -> None:
    assert unit_path(name) == f"{UNIT_PATH}/{path}"
    assert unit_name(unit_path(name)) == name
