"""Where the dashboard of this machine is asked: what systemd listens on, whatever its port."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sysmonstm.ctl import dashboard
from sysmonstm.ctl.doctor import asking, place, ports
from sysmonstm.ctl.doctor.place import Daemon, Place
from sysmonstm.ctl.doctor.units import Unit
from tests.gatewayd.running_gateway import serving

UNIX = "/run/sysmon/gatewayd.sock (Stream)"
# As `systemctl show` answers: it is asked of all units, or of the socket alone.
SYSTEMCTL = """#!/bin/sh
for name; do
    case $name in
    sysmon-gatewayd.socket)
        printf 'Id=%s\\nLoadState=loaded\\nActiveState={state}\\nListen={listen}\\nListen={unix}\\n\\n' "$name" ;;
    sysmon-gatewayd.service)
        printf 'Id=%s\\nLoadState=loaded\\nActiveState=active\\nMainPID=0\\n\\n' "$name" ;;
    sysmon-*) printf 'Id=%s\\nLoadState=not-found\\nActiveState=inactive\\n\\n' "$name" ;;
    esac
done
"""


def socket(*listens: str) -> Unit:
    shown = {"LoadState": "loaded", "ActiveState": "active", "Listen": "\n".join(listens)}
    return Unit.of("sysmon-gatewayd.socket", shown)


@pytest.mark.parametrize(
    ("listens", "expected"),
    [
        (["127.0.0.1:8000 (Stream)", UNIX], "https://127.0.0.1:8000"),
        (["127.0.0.1:9000 (Stream)", UNIX], "https://127.0.0.1:9000"),
        (["192.0.2.7:9000 (Stream)", "127.0.0.1:9001 (Stream)", UNIX], "https://127.0.0.1:9001"),
        (["192.0.2.7:9001 (Stream)", "0.0.0.0:9000 (Stream)"], "https://127.0.0.1:9000"),
        (["[::]:9000 (Stream)", UNIX], "https://[::1]:9000"),
        (["[::1]:9000 (Stream)", "127.0.0.1:9001 (Stream)"], "https://127.0.0.1:9001"),
        (["192.0.2.7:9000 (Stream)", UNIX], "https://192.0.2.7:9000"),
        ([UNIX], "https://127.0.0.1:8000"),
    ],
)
def test_of_the_addresses_the_nearest_is_taken(listens: list[str], expected: str) -> None:
    assert dashboard.url_of(socket(*listens), "https") == expected


def test_where_systemd_has_no_socket_it_is_the_usual_one() -> None:
    assert dashboard.url_of(None, "http") == dashboard.DEFAULT_URL == "http://127.0.0.1:8000"


def test_the_ports_are_those_that_systemd_listens_on() -> None:
    aggregator = Unit.of("", {"Listen": "[::]:50052 (Stream)\n127.0.0.1:50052 (Stream)\n/run/a.sock (Stream)"})
    daemons = Daemon("aggregatord", socket=aggregator), Daemon("gatewayd", socket=socket("[::]:9000 (Stream)"))
    assert ports.wanted(Place(daemons, "")) == [9000, 50052]


@pytest.mark.parametrize(
    ("url", "asks_for_a_name"),
    [("https://127.0.0.1:9000", False), ("https://[::1]:8000/ready", False), ("https://hub:8000", True)],
)
def test_of_this_machine_no_certificate_is_asked(url: str, asks_for_a_name: bool) -> None:
    assert (asking._opener_for(url) is asking._opener) is asks_for_a_name


def systemctl(directory: Path, listen: str, state: str = "active") -> str:
    """A PATH on which systemd says that it listens there."""
    program = directory / "systemctl"
    program.write_text(SYSTEMCTL.format(listen=listen, state=state, unix=UNIX))
    program.chmod(0o755)
    return f"{directory}:{os.environ['PATH']}"


def test_the_doctor_asks_where_systemd_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", systemctl(tmp_path, "[::]:9000 (Stream)"))
    assert place.find(tmp_path, None).url == "http://[::1]:9000"
    assert place.find(tmp_path, "http://hub").url == "http://hub"


async def test_other_commands_find_a_gateway_that_listens_on_another_port(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    async with serving(redis_url, database_url) as gateway:
        path = systemctl(tmp_path, f"127.0.0.1:{gateway.server.port} (Stream)")
        environ = {name: value for name, value in os.environ.items() if name != "SYSMON_URL"} | {"PATH": path}
        command = [sys.executable, "-m", "sysmonstm.ctl", "machines"]
        done = await asyncio.to_thread(subprocess.run, command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.startswith("no machine has reported yet")


def test_a_socket_that_does_not_listen_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", systemctl(tmp_path, "127.0.0.1:9000 (Stream)", state="inactive"))
    assert dashboard.url_here() == dashboard.DEFAULT_URL
    monkeypatch.setenv("PATH", systemctl(tmp_path, "127.0.0.1:9000 (Stream)"))
    assert dashboard.url_here() == "http://127.0.0.1:9000"
