"""All that a collector reads of its machine: the probes, and the loops that some of them are told by."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from sysmonstm import listen
from sysmonstm.collectord.deployment import reading
from sysmonstm.collectord.deployment.memory import Memory
from sysmonstm.collectord.deployment.watch import DeploymentWatch
from sysmonstm.collectord.deployment.words import Deployment
from sysmonstm.collectord.facts import facts
from sysmonstm.collectord.happening import Happening, Happenings
from sysmonstm.collectord.journal.follower import JournalFollower
from sysmonstm.collectord.probe import Probe
from sysmonstm.collectord.probes import CATALOGUE, probes_of_this_machine, usable
from sysmonstm.collectord.probes.agent import AgentProbe, AgentState
from sysmonstm.collectord.probes.cgroup import CgroupProbe
from sysmonstm.collectord.probes.journal import JournalProbe
from sysmonstm.collectord.probes.nixos import NixosProbe
from sysmonstm.collectord.probes.statsd import StatsdProbe
from sysmonstm.collectord.probes.systemd import SystemdProbe
from sysmonstm.collectord.settings import CollectorSettings
from sysmonstm.collectord.statsd.aggregate import Aggregate, Bounds
from sysmonstm.collectord.statsd.names import Names
from sysmonstm.collectord.statsd.receiver import Receiver
from sysmonstm.collectord.units.known import Snapshot
from sysmonstm.collectord.units.state import RECOVERED
from sysmonstm.service import Service

Loop = Callable[[Service], Coroutine[Any, Any, None]]
# Told anew of all facts of the machine after they may have changed.
Learn = Callable[[dict[str, str]], None]


@dataclass(slots=True)
class Sources:
    """Probes, whose names differ, and loops, each to be run until the collector ends."""

    probes: list[Probe] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    cgroups: CgroupProbe = field(default_factory=CgroupProbe)
    local: Aggregate | None = None
    units: Callable[[], Snapshot | None] = lambda: None

    def apply(self, settings: CollectorSettings) -> None:
        """Heed these settings from the next sample on."""
        self.cgroups.most = settings.cgroups
        if self.local:
            self.local.bounds = _bounds(settings)


def sources(
    settings: CollectorSettings, happenings: Happenings, agent: Callable[[], AgentState], learn: Learn
) -> Sources:
    """What this machine can be read by. UserError if the socket for local programs cannot be had.

    `learn` is called in the event loop.
    """
    found = Sources(probes_of_this_machine())
    found.probes += usable([found.cgroups])
    _add_units(found, happenings)
    _add_journal(found)
    _add_deployments(found, settings, happenings, learn)
    _add_local_programs(found, settings)
    found.probes.append(AgentProbe(agent))
    found.apply(settings)
    return found


def _add_units(found: Sources, happenings: Happenings) -> None:
    # A machine without systemd or without a bus need not have the bus's library in memory.
    if not usable([SystemdProbe(lambda: None, str)]):
        return
    from sysmonstm.collectord.units.watch import UnitWatch

    watch = UnitWatch(lambda happening: happenings.add(happening, urgent=happening.kind == RECOVERED))
    found.probes.append(SystemdProbe(lambda: watch.snapshot, lambda: watch.trouble))
    found.loops.append(watch.run)
    found.units = lambda: watch.snapshot


def _add_journal(found: Sources) -> None:
    journal = JournalFollower()
    if probes := usable([JournalProbe(journal.errors)]):
        found.probes += probes
        found.loops.append(journal.run)


def _add_deployments(found: Sources, settings: CollectorSettings, happenings: Happenings, learn: Learn) -> None:
    # Nobody on another distribution waits for it: no word of it there.
    if not reading.is_nixos(reading.ROOT):
        return
    loop = asyncio.get_running_loop()

    def told(happening: Happening | None, deployment: Deployment) -> None:
        # In the probe's thread, before the sample is complete, which so carries what happened.
        loop.call_soon_threadsafe(heard, happening, facts(deployment))

    def heard(happening: Happening | None, facts_of_now: dict[str, str]) -> None:
        if happening:
            happenings.add(happening, urgent=True)
        learn(facts_of_now)

    watch = DeploymentWatch(reading.ROOT, Memory(settings.spool_directory), told)
    found.probes.append(NixosProbe(watch.look))


def _add_local_programs(found: Sources, settings: CollectorSettings) -> None:
    sock = listen.datagram("metrics", settings.metrics_socket, "COLLECTOR_METRICS_SOCKET")
    if sock is None:
        return
    found.local = Aggregate(Names(CATALOGUE), _bounds(settings), time.monotonic())
    receiver = Receiver(sock, found.local)
    found.probes.append(StatsdProbe(found.local, receiver.counts))
    found.loops.append(receiver.run)


def _bounds(settings: CollectorSettings) -> Bounds:
    return Bounds(settings.metrics_series, settings.metrics_expire)
