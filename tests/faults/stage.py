"""What every scenario does: sets up, lets faults strike, checks after each, and in the end accounts for all samples."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import checks, ledger, rollups, stored
from tests.faults.fault import Fault as Wrong
from tests.faults.ledger import Ledger
from tests.faults.schedule import NONE, Fault, Span, plan
from tests.faults.stored import Stored
from tests.faults.system import Aggregator, Collectors, Process, Servers
from tests.faults.watch import Sight

# The product's promise, in seconds from the end of a fault to a sample that was taken after it and is seen.
FRESH_SECONDS = 5.0

# Collectors that were refused for long may wait a minute before they try again.
PATIENCE_SECONDS = 120.0

AGGREGATORD = "sysmonstm.aggregatord"


@dataclass
class Stage:
    """The processes of one scenario. What it prints is shown when it fails, and by `pytest -s`."""

    directory: Path
    servers: Servers
    database: str
    rng: random.Random
    seconds: float
    processes: list[Process] = field(default_factory=list)
    collectors: list[Collectors] = field(default_factory=list)

    async def aggregator(self, host: str = "127.0.0.1", module: str = AGGREGATORD, **settings: str) -> Aggregator:
        """Start one more; it listens, and the database is as it makes it, when this returns."""
        log = self.directory / f"aggregatord-{len(self.processes)}.log"
        made = Aggregator(log, self.servers.redis.url, self.database, settings, module, host)
        self.processes.append(made)
        made.start()
        await self.within(PATIENCE_SECONDS, "aggregatord listens", made.listens)
        await self.within(PATIENCE_SECONDS, "the tables are there", lambda: stored.is_migrated(self.database))
        return made

    def collect(self, address: str, before: Sequence[str] = (), /, **options: object) -> Collectors:
        """Start a process of synthetic machines; options as tests.faults.collector has them."""
        named = {name.replace("_", "-"): value for name, value in options.items()}
        directory = self.directory / f"collectors-{len(self.collectors)}"
        made = Collectors(directory, address, {"seed": self.rng.randrange(2**32), **named}, before)
        self.collectors.append(made)
        self.processes.append(made)
        made.start()
        return made

    def plan(self, *kinds: str, after: Span, lasts: Span = NONE, fewest: int = 1) -> list[Fault]:
        """The faults of this scenario, which the seed decides."""
        faults = plan(self.rng, self.seconds, kinds, after, lasts, fewest)
        print(f"{len(faults)} faults:", *(f"{one.kind} +{one.after:g} s for {one.lasts:g} s," for one in faults))
        return faults

    async def strike(self, faults: Iterable[Fault], strike: Callable[[Fault], Awaitable[None]]) -> float:
        """Let each happen in its time, and check after each; the database must answer by then.

        Gives the time, in seconds since 1970, at which the last one had ended.
        """
        await self.within(PATIENCE_SECONDS, "samples are acknowledged", lambda: self.ledger().acknowledged > 0)
        ended = time.time()
        for fault in faults:
            await asyncio.sleep(fault.after)
            await strike(fault)
            ended = time.time()
            # It takes seconds after a long backlog, in which whoever watches must see what comes when it comes.
            await asyncio.to_thread(self.check_while_running)
        return ended

    def ledger(self) -> Ledger:
        """What all collectors have written down."""
        return ledger.read([one.journal for one in self.collectors])

    def stored(self) -> Stored:
        """What the database has."""
        return stored.read(self.database)

    def check_while_running(self) -> None:
        """acknowledged ⊆ stored ⊆ issued, no key twice, no value wrong."""
        before = self.ledger()
        have = self.stored()
        assert_none([*checks.lost(before, have), *checks.unfaithful(self.ledger(), have)])

    async def within(self, seconds: float, what: str, ask: Callable[[], bool]) -> None:
        """Wait for it to be so; fails, naming `what`, if it is not in time. For what takes longer than most."""
        deadline = time.monotonic() + seconds
        while not ask():
            for process in self.processes:
                process.look()
            assert time.monotonic() < deadline, f"in {seconds:g} s it was not so: {what}"
            await asyncio.sleep(0.1)

    async def everything_acknowledged(self, fewest: int = 1) -> Ledger:
        """Take no more samples, and wait until every one is settled."""
        for one in self.collectors:
            await one.quiet()
        await self.within(PATIENCE_SECONDS, "every sample is acknowledged", lambda: not self.ledger().unacknowledged)
        book = self.ledger()
        assert book.issued >= fewest, "there was something to lose"
        return book

    async def settle(self, fewest: int = 1, may_shed: bool = False) -> Stored:
        """No sample is lost, none counted twice, and what is rolled up is right; what the database has at the end.

        A gap says honestly that samples are lost: there is none but where a spool `may_shed`.
        """
        book = await self.everything_acknowledged(fewest)
        have = self.stored()
        where = f"{len(have.frames)} stored, {lost_in(have)} in gaps, {len(have.rejects)} rejected"
        print(f"{book.issued} samples issued: {where}")
        assert_none(checks.at_rest(book, have))
        assert may_shed or not have.gaps, f"samples are lost, and gaps say so: {have.gaps[:5]}"
        await self.rolled_up(book)
        return have

    async def rolled_up(self, book: Ledger) -> Stored:
        """Wait until all that came late is rolled up, and compare with a roll-up made anew."""
        await self.within(PATIENCE_SECONDS, "what came late is rolled up", lambda: not self.stored().undone)
        have = self.stored()
        assert_none(rollups.wrong(rollups.kept(book, have), have))
        print(f"{len(have.minutes)} minutes and {len(have.hours)} hours rolled up as they should be")
        return have

    async def fresh(self, sight: Sight, since: float, every: bool = True) -> None:
        """A sample taken after `since`, the end of the last fault, is seen in time: of every machine, or of any.

        Collectors whose connection broke wait at random before they come back, so that they do not all come at once:
        the promise is about the fleet then, not about the one that waits longest.
        """
        machines = [origin.machine for origin in self.ledger().origins.values()]
        waited = await sight.fresh(machines, since, len(machines) if every else 1)
        print(f"fresh after {waited[0]:.2f} to {waited[-1]:.2f} s, {len(waited)} of {len(machines)} machines")
        assert waited[-1 if every else 0] <= FRESH_SECONDS, f"fresh samples took {waited} s"

    @contextmanager
    def running(self) -> Iterator[Stage]:
        """At the end no process is left, and none has ended by itself or written a traceback."""
        try:
            yield self
            for one in self.processes:
                assert not _tracebacks(one.log.read_text()), f"{one.log}: {one.last_words()}"
        finally:
            for one in self.processes:
                one.end()


def assert_none(wrong: Sequence[Wrong]) -> None:
    assert not wrong, checks.told(wrong)


def lost_in(have: Stored) -> int:
    return sum(gap.frames for gap in have.gaps)


def _tracebacks(log: str) -> list[str]:
    """The lines with one, but for gRPC's own words on names that are no UTF-8, as a byte was changed on the way."""
    lines = [line for line in log.splitlines() if "Traceback" in line]
    return [line for line in lines if not ("grpc._cython.cygrpc" in line and '"message": "Invalid encoding' in line)]
