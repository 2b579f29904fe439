"""A WebSocket client on a bare socket, which reads when a test says so."""

from __future__ import annotations

import asyncio
import socket
from types import TracebackType
from typing import Any

from tests.gatewayd.recording_line import messages_of
from tests.gatewayd.running_gateway import RunningGateway, until

TEXT, PING = 1, 9
# Masked with zeros.
PONG = b"\x8a\x80" + bytes(4)
BINARY = b"\x82\x80" + bytes(4)


class RawWatcher:
    """A connection that has been upgraded; nothing is read unless asked for, and little fits the kernel's buffer."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = b""
        self.head = ""

    @classmethod
    async def open(cls, gateway: RunningGateway, query: str = "", extensions: str = "") -> RawWatcher:
        """Connect to the gateway, and wait until it has let this client in."""
        before = len(gateway.gateway.hub.clients)
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(sock, ("127.0.0.1", gateway.server.port))
        extension = f"Sec-WebSocket-Extensions: {extensions}\r\n" if extensions else ""
        request = (
            f"GET /ws{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{extension}\r\n"
        )
        await loop.sock_sendall(sock, request.encode())
        await until(lambda: len(gateway.gateway.hub.clients) == before + 1)
        return cls(sock)

    def __enter__(self) -> RawWatcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()

    async def handshake(self) -> str:
        """The answer's head, in lower case."""
        while b"\r\n\r\n" not in self._buffer:
            await self._receive()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head.decode().lower()

    async def frame(self) -> bytes:
        """The next frame, whole, as it came."""
        while (size := self._size()) is None or len(self._buffer) < size:
            await self._receive()
        frame, self._buffer = self._buffer[:size], self._buffer[size:]
        return frame

    async def next(self) -> dict[str, Any]:
        """The next message that is no beat, whether it was deflated or not."""
        while True:
            frame = await self.frame()
            if frame[0] & 15 == TEXT:
                (message,) = messages_of(frame)
                if message["type"] != "beat":
                    return message

    async def sip(self, octets: int) -> list[bytes]:
        """Read so much at most; the frames that are whole by that. Pings are answered."""
        await self._receive(octets)
        frames = []
        while (size := self._size()) is not None and len(self._buffer) >= size:
            frames.append(await self.frame())
            if frames[-1][0] & 15 == PING:
                await self.send(PONG)
        return frames

    async def send(self, frame: bytes) -> None:
        """Say something."""
        await asyncio.get_running_loop().sock_sendall(self._sock, frame)

    async def _receive(self, octets: int = 1 << 20) -> None:
        async with asyncio.timeout(15):
            received = await asyncio.get_running_loop().sock_recv(self._sock, octets)
        if not received:
            raise EOFError
        self._buffer += received

    def _size(self) -> int | None:
        if len(self._buffer) < 10:
            # No header is longer, and no message of ours shorter, but for pings.
            return None if len(self._buffer) < 2 or self._buffer[1] > 125 else 2 + self._buffer[1]
        more = {126: 2, 127: 8}.get(self._buffer[1], 0)
        return 2 + more + (int.from_bytes(self._buffer[2 : 2 + more], "big") if more else self._buffer[1])
