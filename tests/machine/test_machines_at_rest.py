"""What the daemons take while nothing happens. First, while nothing has happened yet."""

from __future__ import annotations

import pytest

from tests.figures import Figures
from tests.machine.fleet import DAEMONS, INTERVAL_SECONDS, Fleet
from tests.machine.machine import Machine
from tests.machine.processes import Cost, costs

pytestmark = pytest.mark.machine

SECONDS = 15.0
MIB = 1024 * 1024
# Nothing here is a promise of speed: these find what runs wild.
MOST_CPU_PERCENT = 50.0
MOST_RESIDENT = 400 * MIB


def _row(machine: Machine, name: str, cost: Cost) -> str:
    memory = f"{cost.resident / MIB:7.1f} {cost.proportional / MIB:8.1f}"
    return f"{machine.name:8} {name:22} {cost.cpu_percent:6.2f} {memory} {cost.descriptors:6} {cost.threads:7}"


def test_what_each_daemon_takes_at_rest_is_little(fleet: Fleet, figures: Figures) -> None:
    fleet.moves_on()
    units = [f"sysmon-{daemon}.service" for daemon in DAEMONS]
    found = [(fleet.hub, unit, cost) for unit, cost in costs(fleet.hub, units, SECONDS)]
    found += [(fleet.web1, unit, cost) for unit, cost in costs(fleet.web1, units[-1:], SECONDS / 3)]
    figures(f"at rest, with {len(fleet.machines)} machines that sample every {INTERVAL_SECONDS} s:")
    figures(f"{'machine':8} {'service':22} {'CPU %':>6} {'RSS MiB':>7} {'PSS MiB':>8} {'files':>6} {'threads':>7}")
    for machine, unit, cost in found:
        figures(_row(machine, unit.removesuffix(".service"), cost))
    for _, unit, cost in found:
        assert cost.cpu_percent < MOST_CPU_PERCENT, unit
        assert cost.resident < MOST_RESIDENT, unit
