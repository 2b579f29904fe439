"""Real processes that a scenario may kill, freeze and start again: the hub's, and synthetic collectors."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from redis import Redis

from sysmonstm.collectord.spool.outbox import Outbox
from sysmonstm.collectord.spool.words import Limits
from tests.faults import ledger
from tests.faults.ledger import Ledger, Place
from tests.shared.real_server import RealServer, until
from tests.whole_system import free_port

# Roll up often enough that faults meet it, and soon enough that a scenario sees it done.
QUICK = {"AGGREGATOR_ROLLUP_INTERVAL": "1", "LOG_LEVEL": "INFO", "LOG_FORMAT": "json"}


class Process:
    """A process of the suite's own, started anew as often as need be; its log lines go to one file."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.command = list(command)
        self.environment = dict(environment)
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process, "it runs"
        return self._process.pid

    def start(self) -> None:
        assert self._process is None, "it does not run"
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command, env=os.environ | self.environment, stdout=output, stderr=output
            )

    def signal(self, number: signal.Signals) -> None:
        assert self._process, "it runs"
        self.look()
        self._process.send_signal(number)

    def look(self) -> None:
        """It must still run, if a scenario has not ended it itself."""
        ended = self._process is not None and self._process.poll() is not None
        assert not ended, f"it ended by itself; see {self.log}: {self.last_words()}"

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        self._reap()

    async def stop(self) -> None:
        """SIGTERM, and wait for it to end."""
        self.signal(signal.SIGTERM)
        process = self._process
        assert process
        await until("it has stopped in good order", lambda: process.poll() is not None)
        self._reap()

    def end(self) -> None:
        """However it is, it runs no more."""
        if self._process:
            self._process.kill()
            self._reap()

    def _reap(self) -> None:
        assert self._process
        self._process.wait()
        self._process = None

    def logged(self) -> list[dict[str, Any]]:
        """Its log lines, of all its lives, without what is none."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def last_words(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-20:])


class Server(RealServer):
    """A server that knows how it is, to be mended after a scenario that ended in the middle."""

    frozen = False
    killed = False

    def start(self) -> None:
        super().start()
        self.killed = False

    def kill(self) -> None:
        super().kill()
        self.killed = True

    def freeze(self) -> None:
        super().freeze()
        self.frozen = True

    def thaw(self) -> None:
        super().thaw()
        self.frozen = False

    def mend(self) -> None:
        if self.frozen:
            self.thaw()
        if self.killed:
            self.start()


class Servers:
    """The Redis and the PostgreSQL, for all scenarios in turn."""

    def __init__(self, redis: Server, postgres: Server) -> None:
        self.redis = redis
        self.postgres = postgres

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """An empty Redis and the address of an empty database; whatever a scenario did to the servers is mended."""
        name = f"faults_{secrets.token_hex(6)}"
        with Redis.from_url(self.redis.url) as client:
            client.flushall()
        self._execute("CREATE DATABASE {} TEMPLATE template0", name)
        try:
            yield make_conninfo(self.postgres.url, dbname=name)
        finally:
            for server in (self.redis, self.postgres):
                server.mend()
            self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _execute(self, statement: str, name: str) -> None:
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


class Aggregator(Process):
    """One sysmon-aggregatord."""

    def __init__(
        self, log: Path, redis: str, database: str, settings: Mapping[str, str], module: str, host: str = "127.0.0.1"
    ) -> None:
        self.address = f"{host}:{free_port()}"
        environment = {"AGGREGATOR_LISTEN": self.address, "REDIS_URL": redis, "TIMESCALE_URL": database}
        super().__init__([sys.executable, "-m", module], {**environment, **QUICK, **settings}, log)

    def listens(self) -> bool:
        """Whether it takes connections."""
        host, _, port = self.address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            return False
        return True


class Collectors(Process):
    """Synthetic machines in a process of their own."""

    def __init__(
        self, directory: Path, address: str, options: Mapping[str, object], before: Sequence[str] = ()
    ) -> None:
        directory.mkdir()
        self.directory = directory
        self.spool = Path(str(options.get("spool", directory / "spool")))
        given = {"directory": directory, "spool": self.spool, "address": address, **options}
        arguments = [f"--{name}={value}" for name, value in given.items() if value is not True]
        arguments += [f"--{name}" for name, value in given.items() if value is True]
        command = [*before, sys.executable, "-m", "tests.faults.collector", *arguments]
        super().__init__(command, {"LOG_FORMAT": "json"}, directory / "log")

    @property
    def journal(self) -> Path:
        return self.directory / "journal"

    def start(self) -> None:
        for said in ("ready", "quiet"):
            (self.directory / said).unlink(missing_ok=True)
        super().start()

    async def quiet(self) -> None:
        """No more samples from when this returns; what is in the spool goes on being sent."""
        await self.ready()
        self.signal(signal.SIGUSR1)
        await until("the collectors take no more samples", (self.directory / "quiet").exists)

    async def ready(self) -> None:
        """Wait until every machine has opened its spool."""
        await until("the collectors have opened their spools", (self.directory / "ready").exists)

    def ledger(self) -> Ledger:
        return ledger.read([self.journal])

    async def spooled(self) -> frozenset[Place]:
        """What its spools hold, read by the product's own reader; it must not run."""
        found: set[Place] = set()
        for directory in sorted(self.spool.iterdir()):
            outbox = await Outbox.open(directory, Limits(2**30, 0))
            for state in outbox.state.streams:
                found |= {(state.stream, seq) for seq in await _seqs(outbox, state.stream)}
            await outbox.close()
        return frozenset(found)


async def _seqs(outbox: Outbox, stream: bytes) -> list[int]:
    seqs: list[int] = []
    after = 0
    while (portion := await outbox.read(stream, after, 1000, 2**20)).last_seq:
        seqs += [frame.seq for frame in portion.frames]
        after = portion.last_seq
    return seqs


async def newest_seqs(directory: Path) -> dict[bytes, int]:
    """The newest seq that a spool gave out on each stream that it knows; nobody else may have it open."""
    outbox = await Outbox.open(directory, Limits(2**30, 0))
    found = {one.stream: one.newest_seq for one in outbox.state.streams}
    await outbox.close()
    return found
