"""New settings reach a running daemon by `systemctl reload`, and a broken start never takes its socket away."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.machine.fleet import DAEMONS, INTERVAL_SECONDS, Fleet
from tests.machine.machine import Machine, eventually
from tests.machine.processes import main_pid
from tests.machine.settings import changed, reload

pytestmark = pytest.mark.machine

CRASHING_SECONDS = 10.0


def test_reload_takes_good_settings_and_refuses_bad_ones(fleet: Fleet) -> None:
    web, unit = fleet.web1, "sysmon-collectord.service"
    pid, began = main_pid(web, unit), time.time()
    old = f"collection_interval = {INTERVAL_SECONDS}"
    with changed(web, "collectord", old, "collection_interval = 0.25") as done:
        assert "collection_interval" in done["MESSAGE"]
        eventually("the status says the new interval", lambda: "every 0.25 s" in web.show(unit, "StatusText"))
    with changed(web, "collectord", old, 'collection_interval = "often"', "reload.refused") as refused:
        assert refused["PRIORITY"] == "4"
        assert "collection_interval" in refused["MESSAGE"]
        eventually("the status says so", lambda: "refused" in web.show(unit, "StatusText"))
        eventually("the old interval holds", lambda: f"every {INTERVAL_SECONDS} s" in web.show(unit, "StatusText"))
        fleet.moves_on(web)
    eventually("nothing is refused any more", lambda: "refused" not in web.show(unit, "StatusText"))
    assert main_pid(web, unit) == pid
    assert fleet.longest_pause(web, began) < 6 * INTERVAL_SECONDS


@pytest.mark.parametrize("daemon", DAEMONS)
def test_every_daemon_outlives_a_reload(fleet: Fleet, daemon: str) -> None:
    unit = f"sysmon-{daemon}.service"
    pid = main_pid(fleet.hub, unit)
    reload(fleet.hub, daemon)
    assert fleet.hub.show(unit, "ActiveState") == "active"
    assert main_pid(fleet.hub, unit) == pid


@contextmanager
def _crashing(machine: Machine, daemon: str) -> Iterator[None]:
    """While the block runs, the daemon cannot start."""
    drop_in = machine.path(f"/run/systemd/system/sysmon-{daemon}.service.d/crash.conf")
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text("[Service]\nExecStart=\nExecStart=/usr/bin/false\n")
    machine.run("systemctl", "daemon-reload")
    try:
        machine.run("systemctl", "restart", "--no-block", f"sysmon-{daemon}.service")
        yield
    finally:
        drop_in.unlink()
        drop_in.parent.rmdir()
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "reset-failed", f"sysmon-{daemon}.service")


def _ask(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.connect(path)
    client.settimeout(30)
    client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    return client


def test_a_crash_loop_never_closes_the_socket(fleet: Fleet) -> None:
    hub, waiting = fleet.hub, []
    address = str(hub.path("/run/sysmon/gatewayd.sock"))
    with _crashing(hub, "gatewayd"):
        end = time.monotonic() + CRASHING_SECONDS
        while time.monotonic() < end:
            waiting.append(_ask(address))
            assert hub.show("sysmon-gatewayd.socket", "ActiveState") == "active"
            time.sleep(0.2)
        restarts = int(hub.show("sysmon-gatewayd.service", "NRestarts"))
    assert restarts >= 3
    hub.run("systemctl", "restart", "sysmon-gatewayd.service")
    for client in waiting:
        # Those who asked while nobody was there are answered too.
        with client:
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
