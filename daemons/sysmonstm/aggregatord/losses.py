"""Counts what is refused, damaged or lost on its way into the hub, and logs it once for each machine."""

from __future__ import annotations

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import logs
from sysmonstm.aggregatord.session import RejectedFrame

log = logs.logger(__name__)


class Losses:
    """All since the start."""

    def __init__(self) -> None:
        self.rejected = 0
        self.damaged = 0
        self.lost = 0
        self._said: set[tuple[str, str]] = set()

    def refused(self, machine: str, frames: list[RejectedFrame]) -> None:
        """Frames of a machine are refused."""
        self.rejected += len(frames)
        if frames and self._first("rejected", machine):
            log.warning(
                "frames.rejected",
                f"frames of {machine} are refused and will never be in history; said once",
                machine=machine,
                first_seq=frames[0].frame.seq,
                reason=frames[0].reason,
            )

    def gaps(self, machine: str, gaps: list[pb.Gap]) -> None:
        """A machine says, or lets see, that frames of it are lost."""
        self.lost += sum(gap.last_seq - gap.first_seq + 1 for gap in gaps)
        if gaps and self._first("lost", machine):
            log.warning(
                "frames.lost",
                f"{machine} has lost frames before it could send them; said once",
                machine=machine,
                first_seq=gaps[0].first_seq,
                last_seq=gaps[0].last_seq,
                reason=pb.GapReason.Name(gaps[0].reason) if gaps[0].reason in pb.GapReason.values() else "unknown",
            )

    def damage(self, machine: str, peer: str, reason: str) -> None:
        """A message was damaged on its way; `machine` is empty where it was the first."""
        self.damaged += 1
        # A peer has another port each time.
        if self._first("damaged", machine or peer.rpartition(":")[0]):
            log.warning(
                "message.damaged",
                "a message was damaged on its way here; its call ends and it is sent again; said once for each machine",
                machine=machine,
                peer=peer,
                reason=reason,
            )

    def _first(self, what: str, machine: str) -> bool:
        said = (what, machine)
        is_first = said not in self._said
        self._said.add(said)
        return is_first
