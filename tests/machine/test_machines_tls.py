"""Certificates as credentials: hardened daemons read them, and machines without one are not taken."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority, Pair
from tests.machine.fleet import HUB, Fleet
from tests.machine.machine import Machine, eventually

pytestmark = pytest.mark.machine

CREDENTIALS = "/etc/sysmonstm/credentials"


def _give(machine: Machine, prefix: str, authority: tuple[str, Path], pair: Pair) -> None:
    name, file = authority
    for credential, source in ((name, file), ("certificate", pair.certificate), ("key", pair.key)):
        given = machine.path(f"{CREDENTIALS}/{prefix}_tls_{credential}")
        given.touch(0o600)
        given.write_bytes(source.read_bytes())


@pytest.fixture
def encrypted(fleet: Fleet, tmp_path: Path) -> Iterator[Fleet]:
    """The hub and web1 have certificates, and web2 has none; afterwards all is plain again."""
    ca = Authority(tmp_path)
    hub = ca.issue("hub", HUB[1], "127.0.0.1")
    _give(fleet.hub, "aggregator", ("client_ca", ca.file), hub)
    for name, file in (("certificate", hub.certificate), ("key", hub.key)):
        given = fleet.hub.path(f"{CREDENTIALS}/gateway_tls_{name}")
        given.touch(0o600)
        given.write_bytes(file.read_bytes())
    _give(fleet.web1, "collector", ("ca", ca.file), ca.issue("web1", "web1"))
    try:
        fleet.hub.run("systemctl", "restart", "sysmon-aggregatord.service", "sysmon-gatewayd.service")
        fleet.web1.run("systemctl", "restart", "sysmon-collectord.service")
        yield fleet
    finally:
        for machine, units in ((fleet.hub, ("aggregatord", "gatewayd")), (fleet.web1, ("collectord",))):
            machine.run("sh", "-c", f"rm -f {CREDENTIALS}/*_tls_*")
            machine.run("systemctl", "restart", *(f"sysmon-{one}.service" for one in units))
        fleet.moves_on()


def test_only_who_shows_a_certificate_is_taken_and_nothing_is_lost(encrypted: Fleet) -> None:
    fleet = encrypted
    fleet.moves_on(fleet.hub, fleet.web1)
    since = time.time()
    entries = "_SYSTEMD_UNIT=sysmon-collectord.service"
    eventually("web2 says why not", lambda: "does it want TLS?" in str(fleet.web2.journal(entries)))
    fleet.moves_on(fleet.web1)
    assert fleet.newest("web2") < since
    for machine in (fleet.hub, fleet.web1):
        said = machine.ask("sysmonctl", "doctor")
        assert "the hub at" in said.stdout
        for check in ("hub", "dashboard", "configuration", "credentials", "sockets"):
            assert f"fail  {check} " not in said.stdout, said.stdout
    assert fleet.web1.show("sysmon-collectord.service", "NRestarts") == "0"


def test_what_is_plain_again_has_lost_nothing(fleet: Fleet) -> None:
    fleet.assert_nothing_is_lost()
