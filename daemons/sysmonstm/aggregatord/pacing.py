"""How much each collector may send: what bounds memory and keeps waits short while a thousand spools replay at once.

Every collector gets what a machine needs that is caught up. Those that are behind ("hungry") share as much as the
database has lately taken in a few seconds: a longer queue would gain nothing, and after a standstill nobody knows how
much it takes, so all begin small. Whatever the database does, what has come and what may still come keep to a budget.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from sysmonstm.aggregatord.allowance import SHUT, Pace
from sysmonstm.aggregatord.session import Session

# What a machine that is caught up may send until the next commit: one at ten samples a second, and some to spare.
CALM_FRAMES = 32
# What is sent ahead of the database: enough that it never waits, little enough that nobody waits long.
AHEAD_SECONDS = 4.0
LEAST_AHEAD_BYTES = 4 * 1024 * 1024
# More in one batch gains nothing, and would not fit into a message.
BATCH_FRAMES = 500
BATCH_BYTES = 2 * 1024 * 1024
# The rate of the database is that of about so many of its last seconds.
MEMORY_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Load:
    """All sessions together, in bytes of memory.

    `held` is what has come and is not settled, and what may still come; `extra` is by how much that is more than what
    calm sessions may hold; `ahead` is how much of it there should be.
    """

    budget: int
    held: int
    extra: int
    ahead: int
    sessions: int
    hungry: int


@dataclass(frozen=True, slots=True)
class Demand:
    """One session, as it is part of the Load."""

    frame_bytes: int
    hungry: bool = False
    held: int = 0
    extra: int = 0


def calm_bytes(load: Load, frame_bytes: int) -> int:
    """What a session may hold that is not hungry."""
    return min(CALM_FRAMES * frame_bytes, load.budget // 2 // max(1, load.sessions))


def pace(load: Load, demand: Demand, most_window: int) -> Pace:
    """What to tell one collector. Its window is shut only where the budget has no room for a frame of it."""
    share = max(demand.frame_bytes, calm_bytes(load, demand.frame_bytes))
    if demand.hungry:
        ahead = min(load.ahead, load.budget // 2)
        room = ahead - (load.extra - demand.extra)
        share = max(share, min(ahead // max(1, load.hungry), room))
    share = min(share, load.budget - (load.held - demand.held))
    frames = share // demand.frame_bytes
    return _shape(frames, demand, most_window) if frames > 0 else SHUT


def _shape(frames: int, demand: Demand, most_window: int) -> Pace:
    """That many frames as batches: large ones for a replay, and else many, so that every sample can leave at once."""
    largest = max(1, min(BATCH_FRAMES, BATCH_BYTES // demand.frame_bytes))
    if demand.hungry:
        # Two at least: one on its way while the other is committed.
        size = max(1, min(frames // 2, largest))
        return Pace(max(1, min(frames // size, most_window)), size)
    # Batches of one frame would not tell whether there is more.
    window = max(1, min(frames // 2, most_window))
    return Pace(window, min(frames // window, largest))


class Throughput:
    """Bytes that were settled in a second, of late."""

    def __init__(self) -> None:
        self.per_second = 0.0
        self._settled = 0
        self._then: float | None = None

    def settled(self, size_bytes: int) -> None:
        """So much was settled."""
        self._settled += size_bytes

    def tick(self, now: float) -> None:
        """Time has passed; `now` in monotonic seconds."""
        if self._then is not None and now > self._then:
            passed = now - self._then
            weight = math.exp(-passed / MEMORY_SECONDS)
            self.per_second = weight * self.per_second + (1 - weight) * self._settled / passed
            self._settled = 0
        self._then = now


class Pacer:
    """Keeps the account of all sessions. Each is noted when it has opened, taken a batch or been told a Pace."""

    def __init__(self, budget: int, most_window: int) -> None:
        self._budget = budget
        self._most_window = most_window
        self._throughput = Throughput()
        self._noted: dict[Session, Demand] = {}
        self._ended: set[Session] = set()
        self._held = self._extra = self._hungry = 0

    def keep_to(self, budget: int, most_window: int) -> None:
        """Another budget and another largest window hold from now on."""
        self._budget, self._most_window = budget, most_window

    @property
    def held_bytes(self) -> int:
        """What has come and is not settled, and what may still come."""
        return self._held

    def note(self, session: Session) -> None:
        """A session is new or holds more, or less, than before."""
        account = session.allowance
        self._replace(session, account.frame_bytes, account.hungry, account.unsettled_bytes + account.promised_bytes)

    def end(self, session: Session) -> None:
        """A session is over. What it has handed over counts until it is settled."""
        self._ended.add(session)
        self._note_ended(session)

    def settled(self, session: Session, size_bytes: int) -> None:
        """Bytes of a session are settled. One that is not over is noted when it is told so."""
        self._throughput.settled(size_bytes)
        if session in self._ended:
            self._note_ended(session)

    def tick(self, now: float) -> None:
        """Time has passed; `now` in monotonic seconds."""
        self._throughput.tick(now)

    def pace(self, session: Session) -> Pace:
        """What to tell this session's collector now."""
        return pace(self._load(), self._noted[session], self._most_window)

    def _load(self) -> Load:
        ahead = max(LEAST_AHEAD_BYTES, int(self._throughput.per_second * AHEAD_SECONDS))
        sessions = len(self._noted) - len(self._ended)
        return Load(self._budget, self._held, self._extra, ahead, sessions, self._hungry)

    def _note_ended(self, session: Session) -> None:
        self._replace(session, session.allowance.frame_bytes, False, session.offered_bytes)
        if session.offered_bytes == 0:
            self._noted.pop(session)
            self._ended.discard(session)

    def _replace(self, session: Session, frame_bytes: int, hungry: bool, held: int) -> None:
        before = self._noted.get(session, Demand(1))
        calm = 0 if session in self._ended else calm_bytes(self._load(), frame_bytes)
        after = Demand(frame_bytes, hungry, held, max(0, held - calm))
        self._noted[session] = after
        self._held += after.held - before.held
        self._extra += after.extra - before.extra
        self._hungry += after.hungry - before.hungry
