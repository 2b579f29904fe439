"""`sysmonctl install` twice changes nothing, and `uninstall` takes away what it put there, but no data."""

from __future__ import annotations

import pytest

from tests.machine.fleet import INTERVAL_SECONDS, Fleet
from tests.machine.installing import install_watched
from tests.machine.machine import eventually

pytestmark = pytest.mark.machine


def test_installing_again_changes_nothing(fleet: Fleet) -> None:
    hub, web = fleet.hub, fleet.web1
    for said in (
        hub.run("sysmonctl", "install", "--role", "hub", "--listen", hub.address),
        web.run("sysmonctl", "install", "--role", "machine", "--hub", hub.address),
    ):
        assert "nothing was changed" in said


def test_an_installation_can_be_taken_away_and_comes_back_with_its_spool(fleet: Fleet) -> None:
    web = fleet.web2
    streams = {one.stream for one in fleet.accounts() if one.machine == web.name}
    web.run("sysmonctl", "uninstall")
    try:
        assert web.ask("systemctl", "list-unit-files", "--no-legend", "sysmon*").stdout == ""
        assert not web.path("/run/sysmon/metrics.sock").exists()
        assert web.state() == "running"
    finally:
        # It has been edited, and so was left there.
        web.path("/etc/sysmonstm/collectord.toml").unlink()
        install_watched(web, fleet.hub, INTERVAL_SECONDS)
    eventually("it runs again", lambda: web.show("sysmon-collectord.service", "ActiveState") == "active")
    fleet.assert_nothing_is_lost()
    assert {one.stream for one in fleet.accounts() if one.machine == web.name} == streams
