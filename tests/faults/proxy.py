"""A TCP proxy that behaves as badly as networks do: it delays, cuts, opens only half, and changes bytes."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import Enum, auto

from tests.faults.http2 import PREFACE_BYTES, Frames

CHUNK_BYTES = 16 * 1024


class Way(Enum):
    """Which way bytes go."""

    UP = auto()  # from the one who connected
    DOWN = auto()


@dataclass(frozen=True, slots=True)
class Weather:
    """How it is now. `damage` is the mean of the bytes from one that is changed to the next; 0 is never."""

    delay_seconds: float = 0.0
    damage_bytes: int = 0
    # One message in so many vanishes, for a bit of its frame's type is changed; 0 is none.
    vanish_messages: int = 0
    # Ways on which nothing passes any more, while the connection stays open.
    held: frozenset[Way] = frozenset()
    refuses: bool = False


FINE = Weather()


class Proxy:
    """Each connection goes to the next of `upstreams` in turn ("host:port")."""

    def __init__(self, upstreams: Sequence[str], rng: random.Random) -> None:
        self._upstreams = itertools.cycle(upstreams)
        self._rng = rng
        self._changed = asyncio.Event()
        self._weather = FINE
        self._connections: set[_Connection] = set()
        self.address = ""
        self.accepted = 0
        self.damaged = 0
        self.vanished = 0

    @property
    def weather(self) -> Weather:
        return self._weather

    @weather.setter
    def weather(self, weather: Weather) -> None:
        self._weather = weather
        self._changed.set()
        self._changed = asyncio.Event()

    def cut(self) -> None:
        """Every connection ends at once, with a reset."""
        for connection in list(self._connections):
            connection.cut()

    def forget(self) -> None:
        """What is connected now never carries another byte, and is never told: the other side has vanished."""
        for connection in self._connections:
            connection.forgotten = True

    @asynccontextmanager
    async def running(self, host: str = "127.0.0.1") -> AsyncIterator[Proxy]:
        """Accept at `address` for as long as the block."""
        server = await asyncio.start_server(self._serve, host, 0)
        host, port = server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        try:
            yield self
        finally:
            server.close()
            while self._connections:
                self.cut()
                await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        upstream = next(self._upstreams)
        try:
            if self._weather.refuses:
                raise ConnectionRefusedError
            host, _, port = upstream.rpartition(":")
            up_reader, up_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection((writer, up_writer))
        copies = (
            asyncio.create_task(self._copy(connection, Way.UP, reader, up_writer)),
            asyncio.create_task(self._copy(connection, Way.DOWN, up_reader, writer)),
        )
        connection.copies = copies
        self._connections.add(connection)
        try:
            # One side has ended: so has the other. gRPC has no use for half a connection.
            await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connections.discard(connection)
            connection.cut()

    async def _copy(
        self, connection: _Connection, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        frames = Frames(PREFACE_BYTES if way is Way.UP else 0)
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                if self._weather.delay_seconds:
                    await asyncio.sleep(self._weather.delay_seconds)
                while way in self._weather.held:
                    await self._changed.wait()
                data = frames.passed(data, self._vanishes)
                if not connection.forgotten:
                    writer.write(self._damage(data))
                    await writer.drain()

    def _vanishes(self) -> bool:
        vanishes = self._weather.vanish_messages > 0 and self._rng.randrange(self._weather.vanish_messages) == 0
        self.vanished += vanishes
        return vanishes

    def _damage(self, data: bytes) -> bytes:
        mean = self._weather.damage_bytes
        if not mean:
            return data
        changed = bytearray(data)
        at = self._distance(mean)
        while at < len(changed):
            changed[at] ^= 1 << self._rng.randrange(8)
            self.damaged += 1
            at += self._distance(mean)
        return bytes(changed)

    def _distance(self, mean: int) -> int:
        """Bytes to the next that is changed; memoryless, so it may be drawn anew with each chunk."""
        return 1 + int(self._rng.expovariate(1 / mean))


class _Connection:
    """The two sockets of a connection that goes through, and the tasks that copy from one to the other."""

    def __init__(self, writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self._writers = writers
        self.copies: tuple[asyncio.Task[None], ...] = ()
        self.forgotten = False

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        for copy in self.copies:
            copy.cancel()
