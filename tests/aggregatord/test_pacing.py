from __future__ import annotations

from collections import deque

import pytest

from sysmonstm.aggregatord.allowance import SHUT, Pace
from sysmonstm.aggregatord.pacing import LEAST_AHEAD_BYTES, Demand, Load, Pacer, Throughput, pace
from sysmonstm.aggregatord.session import Session
from tests.aggregatord.samples import OLDEST_SECONDS, book, hello

MIB = 1024 * 1024
BUDGET = 256 * MIB
FRAME_BYTES = 785  # one of 100 values
STEP_SECONDS = 0.5


def load(
    budget: int = BUDGET,
    held: int = 0,
    extra: int = 0,
    ahead: int = LEAST_AHEAD_BYTES,
    sessions: int = 1000,
    hungry: int = 0,
) -> Load:
    return Load(budget, held, extra, ahead, sessions, hungry)


HUNGRY = Demand(FRAME_BYTES, hungry=True)


@pytest.mark.parametrize(
    ("fleet", "demand", "told"),
    [
        # What a machine needs that is caught up: many small batches.
        (load(), Demand(FRAME_BYTES), Pace(8, 4)),
        (load(sessions=1), Demand(FRAME_BYTES), Pace(8, 4)),
        (load(sessions=10_000), Demand(FRAME_BYTES), Pace(8, 2)),
        (load(sessions=100_000), Demand(FRAME_BYTES), Pace(1, 1)),
        # One that is behind, of many that are not, gets all that it can use.
        (load(hungry=1), HUNGRY, Pace(8, 500)),
        # Half of a small rate each; at a larger one more.
        (load(hungry=10), HUNGRY, Pace(2, 267)),
        (load(hungry=10, ahead=4 * LEAST_AHEAD_BYTES), HUNGRY, Pace(4, 500)),
        # A thousand at once, as after a standstill: no more than when they are caught up, but in larger batches.
        (load(hungry=1000), HUNGRY, Pace(2, 16)),
        (load(hungry=1000, ahead=40 * MIB), HUNGRY, Pace(2, 26)),
        # Never more than half of the budget, however fast the database is.
        (load(hungry=1000, ahead=1000 * MIB), HUNGRY, Pace(2, 85)),
        # Others hold what they were promised: this one waits for its share.
        (load(hungry=2, held=6 * MIB, extra=4 * MIB), HUNGRY, Pace(2, 16)),
        (load(hungry=2, held=6 * MIB, extra=4 * MIB), Demand(FRAME_BYTES, True, 3 * MIB, 3 * MIB), Pace(5, 500)),
        # The budget is used up: nothing, not even for one that is caught up.
        (load(held=BUDGET), Demand(FRAME_BYTES), SHUT),
        (load(held=BUDGET, hungry=1), HUNGRY, SHUT),
        (load(held=BUDGET), Demand(FRAME_BYTES, held=2000), Pace(1, 2)),
        # Large frames: never none where there is room, never a batch that no message could hold.
        (load(), Demand(40_000), Pace(1, 3)),
        (load(budget=16 * MIB), Demand(40_000), Pace(1, 1)),
        (load(hungry=1), Demand(40_000, hungry=True), Pace(2, 52)),
        (load(hungry=1, ahead=BUDGET), Demand(40_000, hungry=True), Pace(8, 52)),
    ],
)
def test_what_a_collector_is_told(fleet: Load, demand: Demand, told: Pace) -> None:
    assert pace(fleet, demand, 8) == told


def test_the_rate_is_that_of_the_last_seconds() -> None:
    throughput = Throughput()
    throughput.tick(0)
    for second in range(1, 21):
        throughput.settled(1000)
        throughput.tick(second)
    assert 990 < throughput.per_second <= 1000
    throughput.tick(50)
    assert throughput.per_second < 1


class Hub:
    """Collectors that have `behind` frames each, a database that takes `rate` frames a second, and the Pacer between.

    All that a collector may send comes at once.
    """

    def __init__(self, *behind: int, rate: int, budget: int = BUDGET) -> None:
        self.pacer = Pacer(budget, 8)
        self.rate = rate
        self.now = 0.0
        self.most_held = 0
        known = book()
        self.behind = dict(zip((Session(hello(), known, OLDEST_SECONDS) for _ in behind), behind, strict=True))
        self._queue: deque[tuple[Session, int]] = deque()
        self.windows = dict.fromkeys(self.behind, SHUT)
        self._unacknowledged = dict.fromkeys(self.behind, 0)
        for session in self.behind:
            self.pacer.note(session)
            self._tell(session, self.pacer.pace(session))

    @property
    def queued(self) -> int:
        return sum(frames for _, frames in self._queue)

    def _tell(self, session: Session, told: Pace) -> None:
        session.allowance.tell(told)
        self.windows[session] = told
        self.pacer.note(session)
        self._send(session)
        self.most_held = max(self.most_held, self.pacer.held_bytes)

    def _send(self, session: Session) -> None:
        told = self.windows[session]
        while self.behind[session] and self._unacknowledged[session] < told.window:
            frames = min(self.behind[session], told.frames)
            assert session.allowance.why_not(frames) == ""
            session.allowance.take(frames, frames * FRAME_BYTES)
            self.behind[session] -= frames
            self._unacknowledged[session] += 1
            self._queue.append((session, frames))
            self.pacer.note(session)

    def produce(self, sessions: list[Session]) -> None:
        """Each of these takes a sample."""
        for session in sessions:
            self.behind[session] += 1
            self._send(session)

    def step(self) -> int:
        """Half a second: a commit, and an Ack for each batch in it. How many frames were committed."""
        self.now += STEP_SECONDS
        committed, settled = 0, []
        while self._queue and committed < self.rate * STEP_SECONDS:
            session, frames = self._queue.popleft()
            committed += frames
            session.allowance.settle(frames * FRAME_BYTES)
            self.pacer.settled(session, frames * FRAME_BYTES)
            self._unacknowledged[session] -= 1
            settled.append(session)
        self.pacer.tick(self.now)
        for session in dict.fromkeys(settled):
            self._tell(session, self.pacer.pace(session))
        return committed


def test_a_thousand_spools_are_drained_at_the_databases_rate_and_within_bounds() -> None:
    hub = Hub(*[720] * 1000, rate=4000)
    steps = [hub.step() for _ in range(8)]
    while any(hub.behind.values()):
        steps.append(hub.step())
        # All wait a few seconds for the database: those that are caught up too.
        assert hub.queued <= 6 * hub.rate + 32 * 1000
    assert min(steps) >= 2000
    assert hub.most_held <= 60 * MIB


def test_a_small_budget_is_kept_to_however_many_come() -> None:
    hub = Hub(*[300] * 1000, rate=1000, budget=16 * MIB)
    # Until the first frames have come, all are taken for larger ones than they are.
    assert hub.most_held <= 16 * MIB
    while any(hub.behind.values()):
        assert hub.step() > 0
        assert hub.pacer.held_bytes <= 16 * MIB
    assert hub.most_held <= 16 * MIB


def test_one_that_is_behind_among_a_thousand_is_drained_within_a_minute() -> None:
    hub = Hub(72_000, *[0] * 999, rate=6000)
    first, *others = hub.behind
    while hub.behind[first]:
        tenth = int(hub.now / STEP_SECONDS) % 10
        hub.produce(others[tenth::10])
        hub.step()
        assert hub.queued <= 2 * hub.rate
    assert hub.now < 30


def test_after_a_standstill_all_begin_small() -> None:
    hub = Hub(*[10_000] * 1000, rate=6000)
    for _ in range(60):
        hub.step()
    grown = max(told.frames * told.window for told in hub.windows.values())
    hub.rate = 0
    held = hub.pacer.held_bytes
    for _ in range(60):
        hub.step()
    assert hub.pacer.held_bytes == held
    hub.rate = 6000
    hub.step()
    assert max(hub.pacer.pace(session).frames for session in hub.behind) <= grown
    told = [hub.pacer.pace(session) for session in hub.behind]
    assert all(one.frames * one.window <= 40 for one in told)


def test_what_an_ended_session_handed_over_counts_until_it_is_settled() -> None:
    pacer = Pacer(BUDGET, 8)
    session = Session(hello(), book(), OLDEST_SECONDS)
    pacer.note(session)
    session.allowance.tell(Pace(8, 4))
    session.allowance.take(4, 1000)
    session.offered_bytes = 1000
    pacer.note(session)
    assert pacer.held_bytes == 1000 + 7 * 4 * 250
    pacer.end(session)
    assert pacer.held_bytes == 1000
    session.offered_bytes = 0
    pacer.settled(session, 1000)
    assert pacer.held_bytes == 0
