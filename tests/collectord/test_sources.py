"""Who hears what happens to units has a sample taken for it, where it should not wait."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sysmonstm.collectord.happening import Happening, Happenings, Severity
from sysmonstm.collectord.probes.agent import AgentState
from sysmonstm.collectord.settings import CollectorSettings
from sysmonstm.collectord.sources import sources
from sysmonstm.collectord.units import watch
from sysmonstm.collectord.units.state import FAILED, RECOVERED, STARTED


@pytest.mark.parametrize(
    ("kind", "severity", "hurried"),
    [(FAILED, Severity.WARNING, 1), (RECOVERED, Severity.INFO, 1), (STARTED, Severity.INFO, 0)],
)
def test_failures_and_recoveries_do_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, severity: Severity, hurried: int
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'none'}")
    told: list[Callable[[Happening], None]] = []
    real = watch.UnitWatch.__init__

    def made(self: watch.UnitWatch, say: Callable[[Happening], None]) -> None:
        told.append(say)
        real(self, say)

    monkeypatch.setattr(watch.UnitWatch, "__init__", made)
    hurries: list[int] = []
    happenings = Happenings(lambda: hurries.append(1))
    sources(CollectorSettings(), happenings, lambda: AgentState(0, 0, 0, 0), lambda _: None)
    (say,) = told
    say(Happening(kind, severity, "something", {"unit": "a.service"}, 1))
    assert len(hurries) == hurried
