"""The way to a WebSocket client: writes ready frames beside those that aiohttp sends, and has little read at a time.

aiohttp's own send_str would frame, and deflate, for each client anew. So we write to the transport. It copies what it
cannot send at once (asyncio of Python 3.11), and so it is given a little only; the rest lies here, where all lines that
have the same to send have one object of it. We answer pings and send our own: aiohttp writes nothing but its close
frame, in one write. Once `closed` is true it has done so, and nothing may follow. Who has part of a message by then
cannot be told why it is closed; its connection ends all the same. All else is the public interface of asyncio and
aiohttp: what deflating was agreed to (`compress`), the transport's buffer, and the writer's `drain`.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import sys
import termios
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from sysmonstm.gatewayd.backlog import Backlog
from sysmonstm.gatewayd.messages import LARGEST_WINDOW_BITS

# How much of what is unsent may lie in the kernel, where newer samples cannot take the place of older ones.
KERNEL_BYTES = 64 * 1024
# The transport is given so much at a time, once it has no more than that left. With TLS, asyncio has up to 64 KiB more.
PART_BYTES, LEFT_BYTES = 32 * 1024, 4 * 1024
TCP_NOTSENT_LOWAT = 25  # a name in Python's socket module since 3.12


class SocketLine:
    """The connection of a WebSocket that has been opened."""

    def __init__(
        self, ws: web.WebSocketResponse, transport: asyncio.Transport, writer: AbstractStreamWriter, backlog: Backlog
    ) -> None:
        self._ws = ws
        self._transport = transport
        self._writer = writer
        self._backlog = backlog
        # What the transport has not been given yet; of the first it has had `_given` bytes.
        self._waiting: deque[bytes] = deque()
        self._given = 0
        self._waiting_bytes = 0
        # Monotonic: since when there has always been something.
        self._waiting_since = 0.0
        # Bytes since the connection was opened.
        self.written = 0
        # A client with a smaller window could not take what is deflated for all: it is sent the plain frames, as the
        # extension allows.
        self.deflates = ws.compress == LARGEST_WINDOW_BITS
        transport.set_write_buffer_limits(high=LEFT_BYTES, low=LEFT_BYTES // 4)
        _keep_little_in_kernel(transport)

    @property
    def full(self) -> bool:
        """Whether more waits here than the kernel takes."""
        return bool(self._waiting) or self.buffered > LEFT_BYTES

    @property
    def closing(self) -> bool:
        """Whether nothing that is written now would be sent."""
        return self._ws.closed or self._transport.is_closing()

    @property
    def buffered(self) -> int:
        """How many bytes the transport keeps for this client alone."""
        return self._transport.get_write_buffer_size()

    @property
    def held_seconds(self) -> float:
        """For how long something has waited here without a break; 0 if nothing does."""
        return time.monotonic() - self._waiting_since if self._waiting else 0.0

    @property
    def taken(self) -> int:
        """How many of the bytes `written` the other side has acknowledged.

        By a few too many while TLS keeps some, and too few on a unix socket, whose queue counts what it costs.
        """
        if self._transport.is_closing():
            return self.written
        return self.written - self._waiting_bytes - self.buffered - _queued(self._transport)

    def write(self, frames: bytes) -> None:
        """Send whole frames, unless the connection closes."""
        if self.closing:
            return
        self.written += len(frames)
        if not self.full and len(frames) <= PART_BYTES:
            self._transport.write(frames)
            return
        if not self._waiting:
            self._waiting_since = time.monotonic()
        self._waiting.append(frames)
        self._waiting_bytes += len(frames)
        self._backlog.keep(frames)
        self._feed()

    @contextmanager
    def unread(self) -> Iterator[None]:
        """Leave what the client says to the kernel for as long as the block.

        aiohttp does so where what it has not been asked for is long enough, but its older versions count the bytes that
        messages hold: those that hold none are never too many. Who asks for the next message in the same breath gets
        what has been read, and so no more is read before all of that has been looked at.
        """
        self._transport.pause_reading()
        try:
            yield
        finally:
            self._transport.resume_reading()

    async def drain(self) -> None:
        """Wait until little is left."""
        await self._writer.drain()
        while self._waiting:
            self._feed()
            await self._writer.drain()

    def abort(self) -> None:
        """Close the connection without waiting for anything."""
        self._transport.abort()
        self.let_go()

    def let_go(self) -> None:
        """Keep nothing for the client any more."""
        while self._waiting:
            self._drop_first()

    def _feed(self) -> None:
        if self.closing:
            self.let_go()
        while self._waiting and self.buffered <= LEFT_BYTES:
            part = memoryview(self._waiting[0])[self._given : self._given + PART_BYTES]
            self._transport.write(part)
            self._given += len(part)
            self._waiting_bytes -= len(part)
            if self._given == len(self._waiting[0]):
                self._drop_first()

    def _drop_first(self) -> None:
        frames = self._waiting.popleft()
        self._waiting_bytes -= len(frames) - self._given
        self._given = 0
        self._backlog.drop(frames)


def _queued(transport: asyncio.Transport) -> int:
    """How many bytes the kernel keeps until the other side acknowledges them."""
    sock = transport.get_extra_info("socket")
    return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)


def _keep_little_in_kernel(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, KERNEL_BYTES)
    else:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
