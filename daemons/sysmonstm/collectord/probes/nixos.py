"""What NixOS has deployed: the generation that runs, and whether a reboot would change anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from sysmonstm.collectord.deployment.words import Deployment
from sysmonstm.collectord.probe import Probe, Row
from sysmonstm.metric import Kind, Metric, Unit

GENERATION = Metric(
    "nixos.generation", Unit.COUNT, Kind.GAUGE, "Generation that runs; not known of a system that was only tried"
)
NEEDS_REBOOT = Metric(
    "nixos.needs_reboot",
    Unit.COUNT,
    Kind.FLAG,
    "Whether the kernel, its initrd or its modules are others than those that were booted",
)
STAGED = Metric(
    "nixos.staged", Unit.COUNT, Kind.FLAG, "Whether the next boot brings another generation than the one that runs"
)


class NixosProbe(Probe):
    """Shows what is deployed; `look` is called in the probe's thread, and says None while it is not known."""

    name = "nixos"
    metrics = (GENERATION, NEEDS_REBOOT, STAGED)

    def __init__(self, look: Callable[[], Deployment | None]) -> None:
        self._look = look

    def read(self, now: float) -> Iterable[Row]:  # noqa: ARG002 - levels need no clock
        """Levels as of now."""
        deployment = self._look()
        if deployment is None:
            return [(metric, "", math.nan) for metric in self.metrics]
        generation = deployment.running.generation
        needs_reboot = math.nan if deployment.booted is None else float(bool(deployment.needs_reboot))
        staged = math.nan if deployment.next_boot is None else float(deployment.staged is not None)
        return [
            (GENERATION, "", math.nan if generation is None else generation),
            (NEEDS_REBOOT, "", needs_reboot),
            (STAGED, "", staged),
        ]
