"""How this collector itself fares: what it has not yet handed over, and what it lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sysmonstm.collectord.probe import Probe, Row
from sysmonstm.metric import Kind, Metric, Unit

UNACKNOWLEDGED = Metric("agent.unacknowledged", Unit.COUNT, Kind.GAUGE, "Samples that no aggregator has stored yet")
SPOOL_BYTES = Metric("agent.spool_bytes", Unit.BYTES, Kind.GAUGE, "Disk space that the spool takes")
DROPPED = Metric(
    "agent.dropped",
    Unit.COUNT,
    Kind.GAUGE,
    "Samples lost since the collector started: no room to wait, or the disk lost them",
)
REFUSED = Metric(
    "agent.refused", Unit.COUNT, Kind.GAUGE, "Samples that an aggregator refused, since the collector started"
)


@dataclass(frozen=True, slots=True)
class AgentState:
    """Frames that wait to be acknowledged, bytes of the spool, frames lost so far, and frames refused so far."""

    unacknowledged: int
    spool_bytes: int
    dropped: int
    refused: int


class AgentProbe(Probe):
    """The collector's own state; `state` is called in the probe's thread."""

    name = "agent"
    metrics = (UNACKNOWLEDGED, SPOOL_BYTES, DROPPED, REFUSED)

    def __init__(self, state: Callable[[], AgentState]) -> None:
        self._state = state

    def read(self, now: float) -> Iterable[Row]:  # noqa: ARG002 - levels need no clock
        """Levels as they are now."""
        state = self._state()
        yield UNACKNOWLEDGED, "", state.unacknowledged
        yield SPOOL_BYTES, "", state.spool_bytes
        yield DROPPED, "", state.dropped
        yield REFUSED, "", state.refused
