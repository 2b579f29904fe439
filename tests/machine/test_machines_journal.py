"""The journal is how operators see the daemons: one entry an event, with fields, a catalogue, and no secret."""

from __future__ import annotations

import json

import pytest

from sysmonstm.catalogue import MESSAGE_IDS
from tests.machine.fleet import DAEMONS, Fleet
from tests.machine.machine import Machine, eventually

pytestmark = pytest.mark.machine

PRIORITIES = {"debug": "7", "info": "6", "warning": "4", "error": "3", "critical": "2"}
SECRET = "s3cret-of-the-machine-test"


def _entries(machine: Machine, daemon: str, *more: str) -> list[dict[str, str]]:
    """What a daemon wrote itself."""
    return machine.journal(f"_SYSTEMD_UNIT=sysmon-{daemon}.service", f"SYSLOG_IDENTIFIER=sysmon-{daemon}", *more)


@pytest.mark.parametrize("daemon", DAEMONS)
def test_each_event_is_one_entry_with_its_fields(fleet: Fleet, daemon: str) -> None:
    entries = [one for one in _entries(fleet.hub, daemon) if one["_TRANSPORT"] == "journal"]
    assert entries
    for entry in entries:
        message = json.loads(entry["MESSAGE"])
        assert entry["SYSMON_EVENT"] == message["event"]
        assert entry["SYSMON_DAEMON"] == daemon
        assert entry["PRIORITY"] == PRIORITIES[message["level"]]
        assert entry["MESSAGE"].isprintable()
        for name, value in message.get("fields", {}).items():
            if isinstance(value, str) and value:
                assert entry[f"SYSMON_{name.upper()}"][:80] == value[:80]


def test_without_systemds_library_events_are_lines_with_a_priority(fleet: Fleet) -> None:
    entries = [one for one in _entries(fleet.web2, "collectord") if one["MESSAGE"].startswith("{")]
    assert {one["_TRANSPORT"] for one in entries} == {"stdout"}
    for entry in entries:
        assert entry["PRIORITY"] == PRIORITIES[json.loads(entry["MESSAGE"])["level"]]


def test_entries_are_found_by_machine_and_by_priority(fleet: Fleet) -> None:
    of_web1 = fleet.hub.journal("SYSMON_MACHINE=web1")
    assert "machine.connected" in {one["SYSMON_EVENT"] for one in of_web1}
    assert {json.loads(one["MESSAGE"])["fields"]["machine"] for one in of_web1} == {"web1"}
    warnings = fleet.hub.journal("--unit=sysmon-gatewayd", "--priority=warning")
    assert "listen.public" in {one.get("SYSMON_EVENT") for one in warnings}
    assert all(int(one["PRIORITY"]) <= 4 for one in warnings)


def test_what_daemons_write_is_what_jq_takes(fleet: Fleet) -> None:
    lines = fleet.hub.run("journalctl", "--output=cat", "--quiet", "--no-pager", "_SYSTEMD_SLICE=sysmon.slice")
    assert lines
    broken = [line for line in lines.splitlines() if line.startswith("{") and not isinstance(json.loads(line), dict)]
    assert broken == []


def test_important_events_are_explained(fleet: Fleet) -> None:
    shown = fleet.hub.run(
        "journalctl", "--catalog", "--no-pager", "--quiet", f"MESSAGE_ID={MESSAGE_IDS['listen.public']}"
    )
    assert "░░ Subject:" in shown
    known = fleet.hub.run("journalctl", "--list-catalog", "--no-pager")
    assert [event for event, number in MESSAGE_IDS.items() if number not in known] == []


def test_no_secret_is_in_the_journal(fleet: Fleet) -> None:
    hub = fleet.hub
    file = hub.path("/etc/sysmonstm/credentials/webhook_url")
    since = hub.now()
    # Nobody listens there, so that it has much to say of it.
    file.write_text(f"http://127.0.0.1:9/{SECRET}\n")
    file.chmod(0o600)
    try:
        hub.run("systemctl", "restart", "sysmon-alertd.service")
        sent = hub.ask("sysmonctl", "test-notification")
        assert sent.returncode != 0, "it is known to have failed, so the address was used"
    finally:
        file.unlink()
        hub.run("systemctl", "restart", "sysmon-alertd.service")
    assert SECRET not in sent.stdout + sent.stderr
    entries = hub.journal(f"--since={since}")
    assert entries
    assert [entry for entry in entries if SECRET in json.dumps(entry)] == []
    assert SECRET not in hub.run("systemctl", "status", "--no-pager", "sysmon-alertd.service")
    eventually("alertd runs", lambda: hub.show("sysmon-alertd.service", "ActiveState") == "active")
