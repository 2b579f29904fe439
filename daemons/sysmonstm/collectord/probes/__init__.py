"""The probes of a machine: add a metric by adding a file here and a line to PROBES."""

from __future__ import annotations

from collections.abc import Iterable

from sysmonstm import logs
from sysmonstm.collectord.probe import PROBE_DURATION, PROBE_SUCCESS, Probe
from sysmonstm.collectord.probes.agent import AgentProbe
from sysmonstm.collectord.probes.cgroup import CgroupProbe
from sysmonstm.collectord.probes.cpu import CpuProbe
from sysmonstm.collectord.probes.disks import DisksProbe
from sysmonstm.collectord.probes.filesystems import FilesystemsProbe
from sysmonstm.collectord.probes.journal import JournalProbe
from sysmonstm.collectord.probes.memory import MemoryProbe
from sysmonstm.collectord.probes.network import NetworkProbe
from sysmonstm.collectord.probes.nixos import NixosProbe
from sysmonstm.collectord.probes.pressure import PressureProbe
from sysmonstm.collectord.probes.statsd import StatsdProbe
from sysmonstm.collectord.probes.system import SystemProbe
from sysmonstm.collectord.probes.systemd import SystemdProbe
from sysmonstm.metric import Metric

log = logs.logger(__name__)

PROBES = (CpuProbe, MemoryProbe, FilesystemsProbe, DisksProbe, NetworkProbe, SystemProbe, PressureProbe)

# These show what something else of the collector knows or is told; sysmonstm.collectord.sources makes them.
TOLD = (CgroupProbe, SystemdProbe, JournalProbe, NixosProbe, StatsdProbe, AgentProbe)

# Every metric that a collector may send, in the order of the documentation.
CATALOGUE: tuple[Metric, ...] = (
    *(metric for probe in PROBES for metric in probe.metrics),
    PROBE_SUCCESS,
    PROBE_DURATION,
    *(metric for probe in TOLD for metric in probe.metrics),
)


def probes_of_this_machine() -> list[Probe]:
    """Those of PROBES that this machine can be read by."""
    return usable(kind() for kind in PROBES)


def usable(probes: Iterable[Probe]) -> list[Probe]:
    """Those that this machine can be read by; what it cannot be read by is logged."""
    found: list[Probe] = []
    for probe in probes:
        reason = probe.missing()
        if reason:
            log.info("probe.missing", f"the probe {probe.name} is left out: {reason}", probe=probe.name, reason=reason)
        else:
            found.append(probe)
    return found
