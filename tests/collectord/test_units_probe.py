"""What is followed of units becomes series, and what is not known becomes no zero."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sysmonstm.collectord.probe import series_of
from sysmonstm.collectord.probes import systemd
from sysmonstm.collectord.probes.systemd import SystemdProbe
from sysmonstm.collectord.units.known import Snapshot


def test_a_snapshot_becomes_series() -> None:
    known = Snapshot(7, 1, 2, (("web.service", True), ("evil\x1b.service", False)), (("web.service", 3),))
    probe = SystemdProbe(lambda: known, str)
    rows = list(probe.read(1.0))
    series_of(probe, [row[0] for row in rows], [row[1] for row in rows])
    assert [(metric.name, instance, value) for metric, instance, value in rows] == [
        ("systemd.units", "", 7),
        ("systemd.units_failed", "", 1),
        ("systemd.jobs", "", 2),
        ("unit.failed", "web.service", 1.0),
        ("unit.failed", "evil\\x1b.service", 0.0),
        ("unit.restarts", "web.service", 3),
    ]


def test_what_is_not_known_yet_is_no_number_and_no_failure() -> None:
    rows = list(SystemdProbe(lambda: None, str).read(1.0))
    assert len(rows) == 3
    assert all(math.isnan(value) for _, _, value in rows)


def test_a_systemd_that_is_away_is_a_failure() -> None:
    with pytest.raises(ConnectionError, match="the bus is gone"):
        SystemdProbe(lambda: None, lambda: "the bus is gone").read(1.0)


def test_where_there_is_nothing_to_follow_the_probe_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = SystemdProbe(lambda: None, str)
    monkeypatch.delenv("DBUS_SYSTEM_BUS_ADDRESS", raising=False)
    monkeypatch.setattr(systemd, "BOOTED", tmp_path / "none")
    monkeypatch.setattr(systemd, "BUS_SOCKET", tmp_path / "bus")
    assert "does not run this machine" in probe.missing()
    monkeypatch.setattr(systemd, "BOOTED", tmp_path)
    assert "no system bus" in probe.missing()
    (tmp_path / "bus").touch()
    assert probe.missing() == ""
    monkeypatch.setattr(systemd, "BOOTED", tmp_path / "none")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nowhere")
    assert probe.missing() == ""
