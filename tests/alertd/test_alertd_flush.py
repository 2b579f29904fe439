"""What is written down in the last moment, and what is said of what cannot be."""

from __future__ import annotations

import time

import pytest

from sysmonstm.alertd.alerts import Alert, Change, Key
from sysmonstm.alertd.rules import Phase, State, Step
from sysmonstm.alertd.store import Store
from sysmonstm.alertd.trouble import Trouble
from sysmonstm.alertd.writer import Writer
from sysmonstm.service import Service
from tests.alertd.alertd_process import rows


def fired(machine: str) -> Change:
    at_us = time.time_ns() // 1000
    alert = Alert(Key("hot", machine, ""), "cpu.percent", "info", 90.0, State(Phase.FIRING, at_us, at_us, 95.0), "hot")
    return Change(alert, Step.FIRED, at_us)


async def no_bus(_: list[dict[str, object]]) -> None:
    """Nobody listens."""


async def test_changes_that_wait_are_written_at_the_end(database_url: str) -> None:
    store = Store(database_url)
    writer = Writer(store, no_bus, Trouble(), Service(), notify=True)
    writer.take([fired(f"web{number}") for number in range(250)])
    await writer.flush(30.0)
    await store.close()
    assert writer.unwritten == 0
    assert await rows(database_url, "SELECT count(*) FROM alert_states") == [(250,)]
    assert await rows(database_url, "SELECT count(*) FROM notifications") == [(250,)]


async def test_what_cannot_be_written_in_time_is_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    store = Store("host=/nonexistent")
    writer = Writer(store, no_bus, Trouble(), Service(), notify=True)
    writer.take([fired("web1"), fired("web2")])
    await writer.flush(0.5)
    await store.close()
    (said,) = [one.__dict__ for one in caplog.records if one.__dict__.get("sysmon_event") == "alerts.unwritten"]
    assert said["sysmon_fields"] == {"count": 2}


async def test_with_nothing_to_write_nothing_is_asked() -> None:
    await Writer(Store("host=/nonexistent"), no_bus, Trouble(), Service(), notify=True).flush(0.0)
