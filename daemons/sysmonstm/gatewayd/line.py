"""The way to a WebSocket client: writes ready frames beside those that aiohttp sends, and sees who takes nothing.

aiohttp's own send_str would frame, and deflate, for each client anew. So we write to the transport, and rely on this:
aiohttp answers pings, sends its own and closes by one write of a whole frame each, with no task switch in it (control
frames are neither deflated nor queued), and we write whole frames only: they cannot get between each other. Once
`closed` is true it has sent its close frame, after which nothing may follow. All else is the public interface of
asyncio and aiohttp: what deflating was agreed to (`compress`), the transport's buffer, and the writer's `drain`.
"""

from __future__ import annotations

import asyncio
import socket

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from sysmonstm.gatewayd.messages import LARGEST_WINDOW_BITS

STALLED_SECONDS = 30.0
# How much of what is unsent may lie in the kernel, and here in the transport. The rest waits where newer samples take
# the place of older ones.
KERNEL_BYTES = 128 * 1024
TRANSPORT_BYTES = 64 * 1024
TCP_NOTSENT_LOWAT = 25  # a name in Python's socket module since 3.12


class StalledError(Exception):
    """The client has not taken a byte for too long."""


class SocketLine:
    """The connection of a WebSocket that has been opened."""

    def __init__(self, ws: web.WebSocketResponse, transport: asyncio.Transport, writer: AbstractStreamWriter) -> None:
        self._ws = ws
        self._transport = transport
        self._writer = writer
        # A client with a smaller window could not take what is deflated for all: it is sent the plain frames, as the
        # extension allows.
        self.deflates = ws.compress == LARGEST_WINDOW_BITS
        transport.set_write_buffer_limits(high=TRANSPORT_BYTES)
        _keep_little_in_kernel(transport)

    @property
    def full(self) -> bool:
        """Whether more waits in the transport than should."""
        return self._transport.get_write_buffer_size() > TRANSPORT_BYTES

    def write(self, frames: bytes) -> None:
        """Send whole frames, unless the connection closes."""
        if not self._ws.closed and not self._transport.is_closing():
            self._transport.write(frames)

    async def drain(self) -> None:
        """Wait until little is left; StalledError if for STALLED_SECONDS not a byte of it leaves."""
        draining = asyncio.ensure_future(self._writer.drain())
        try:
            while True:
                unsent = self._transport.get_write_buffer_size()
                done, _ = await asyncio.wait({draining}, timeout=STALLED_SECONDS)
                if done:
                    return draining.result()
                if self._transport.get_write_buffer_size() >= unsent:
                    raise StalledError
        finally:
            draining.cancel()

    def abort(self) -> None:
        """Close the connection without waiting for anything."""
        self._transport.abort()


def _keep_little_in_kernel(transport: asyncio.Transport) -> None:
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, TCP_NOTSENT_LOWAT, KERNEL_BYTES)
