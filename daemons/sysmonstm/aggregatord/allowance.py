"""What one session may send by the windows that it was told, and what it has sent of that.

What a collector is told binds it only once it has heard of it. So a batch is in order if any Pace allows it that the
collector may have been going by when it sent it.
"""

from __future__ import annotations

from dataclasses import dataclass

# What a frame is taken for until the first has come: one of about 1,000 values.
UNKNOWN_FRAME_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Pace:
    """What a collector is told: how many batches may be unacknowledged, and how many frames each may have."""

    window: int
    frames: int


SHUT = Pace(0, 1)


@dataclass(frozen=True, slots=True)
class _Grant:
    """Batches up to number `last`, counted from the start of the session, may have this many frames each."""

    last: int
    frames: int


class Allowance:
    """One session's account, in batches, frames and bytes."""

    def __init__(self) -> None:
        self.frame_bytes = UNKNOWN_FRAME_BYTES
        # Whether its last batch was about as full as it was allowed to be, so that it has more to send.
        self.hungry = False
        # Of batches that have come and are not settled.
        self.unsettled_bytes = 0
        self._received = 0
        self._settled = 0
        self._grants: list[_Grant] = []
        # Frames of a batch: by what was told last, by what was told before that, and the most there ever were.
        self._frames = self._frames_before = self._most_frames = 0
        self.shut = True

    @property
    def promised_bytes(self) -> int:
        """About how much may still come."""
        promised = frames = 0
        last = self._received
        for grant in sorted(self._grants, key=lambda one: one.last, reverse=True):
            promised += max(0, last - grant.last) * frames
            frames = max(frames, grant.frames)
            last = grant.last
        return (promised + (last - self._received) * frames) * self.frame_bytes

    def tell(self, pace: Pace) -> None:
        """The collector is told this, and with it that all that is settled is acknowledged."""
        self.shut = pace.window == 0
        if self.shut:
            return
        grant = _Grant(self._settled + pace.window, pace.frames)
        if grant.last > self._received:
            kept = [one for one in self._grants if one.last > grant.last or one.frames > grant.frames]
            self._grants = [*kept, grant]
        self._frames_before, self._frames = self._frames or pace.frames, pace.frames
        self._most_frames = max(self._most_frames, pace.frames)

    def why_not(self, frames: int) -> str:
        """Why a batch of that many frames was not allowed, as a sentence; empty where it was."""
        if not self._grants:
            return f"{self._received - self._settled} batches are unacknowledged already, and no more are allowed"
        if frames > self._most_frames:
            return f"a batch of {frames} frames, where {self._most_frames} are allowed"
        return ""

    def take(self, frames: int, size_bytes: int) -> None:
        """A batch of that many frames and bytes has come."""
        self.hungry = 2 * frames > min(self._frames, self._frames_before)
        if frames:
            self.frame_bytes = max(1, size_bytes // frames)
        self._received += 1
        self.unsettled_bytes += size_bytes
        self._grants = [one for one in self._grants if one.last > self._received]

    def settle(self, size_bytes: int) -> None:
        """A batch of that many bytes is settled: the next Pace that is told acknowledges it."""
        self._settled += 1
        self.unsettled_bytes -= size_bytes
