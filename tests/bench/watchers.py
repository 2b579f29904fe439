"""Many WebSocket clients in one process, so light that they take what they are sent; a few look at what it says."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import time
import zlib
from dataclasses import asdict, dataclass

TEXT, PING, PONG = 1, 9, 10
DEFLATED = 0x40
# How many decode all that they get.
LOOKING = 3
# Connections that are being opened at a time.
OPENING = 50
# Of one that reads nothing the kernel takes this much.
LITTLE_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Taken:
    """What the clients were sent within `seconds`; bytes as they came, with their headers."""

    clients: int
    seconds: float
    messages: int
    octets: int
    least_octets: int
    most_octets: int
    # Until each had its snapshot, of all.
    opening_seconds: float
    opening_octets: int
    # Of one that looks: how many samples it was shown, and seconds from a sample's time to its arrival.
    samples: int
    median_age: float


class Watcher(asyncio.Protocol):
    """A client that counts messages and bytes."""

    def __init__(self, path: str, deflate: bool, *, looks: bool, stalls: bool = False) -> None:
        extension = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" if deflate else ""
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{extension}\r\n"
        )
        self._looks = looks
        self._stalls = stalls
        self._buffer = b""
        # How many bytes of the message that is being received are still to come.
        self._left = 0
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.messages = self.octets = self.samples = 0
        self.ages: list[float] = []

    def reset(self) -> None:
        """Count from now on."""
        self.messages = self.octets = self.samples = 0
        self.ages = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request.encode())

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("closed while it was opened"))

    def data_received(self, data: bytes) -> None:
        if self.opened.done():
            self.octets += len(data)
            self._count(data)
            return
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if found:
            assert b" 101 " in head, head
            self._buffer = b""
            self.opened.set_result(None)
            if self._stalls and self._transport:
                self._transport.pause_reading()
            if rest:
                self.data_received(rest)

    def _count(self, data: bytes) -> None:
        if self._left >= len(data) and not self._looks:
            self._left -= len(data)
            return
        data = self._buffer + data[self._left :]
        self._left = at = 0
        while (end := self._end(data, at)) is not None:
            if end > len(data) and self._looks:
                break
            self.messages += 1
            self._take(data, at, end)
            at = end
        self._left = max(at - len(data), 0)
        self._buffer = data[at:]

    @staticmethod
    def _end(data: bytes, at: int) -> int | None:
        """Where the message ends that begins there; None if its header is not there yet."""
        if len(data) < at + 2:
            return None
        length = data[at + 1]
        more = {126: 2, 127: 8}.get(length, 0)
        if len(data) < at + 2 + more:
            return None
        return at + 2 + more + (int.from_bytes(data[at + 2 : at + 2 + more], "big") if more else length)

    def _take(self, data: bytes, at: int, end: int) -> None:
        if data[at] & 15 == PING:
            self._say(PONG, b"")
        elif self._looks and data[at] & 15 == TEXT:
            payload = data[at + {126: 4, 127: 10}.get(data[at + 1], 2) : end]
            if data[at] & DEFLATED:
                payload = zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff")
            self._look(json.loads(payload))

    def _look(self, message: dict[str, list[dict[str, float]]]) -> None:
        now = time.time()
        self.ages += [now - frame["time"] for frame in message.get("frames", ())]
        self.samples = len(self.ages)

    def _say(self, opcode: int, payload: bytes) -> None:
        assert self._transport
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
        # Masked with zeros.
        self._transport.write(bytes([0x80 | opcode]) + length + bytes(4) + payload)


async def watch(arguments: argparse.Namespace) -> Taken:
    """Open the clients, which each get a snapshot, let them settle, and count."""
    host, port = arguments.address.rsplit(":", 1)
    paths = arguments.path or ["/ws"]
    loop, opening, watchers = asyncio.get_running_loop(), asyncio.Semaphore(OPENING), []

    async def open_one(number: int) -> None:
        async with opening:
            looks, path = number < LOOKING, paths[number % len(paths)]
            sock = socket.socket()
            if arguments.stall:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE_BYTES)
            sock.setblocking(False)
            await loop.sock_connect(sock, (host, int(port)))
            _, watcher = await loop.create_connection(
                lambda: Watcher(path, arguments.deflate, looks=looks, stalls=arguments.stall), sock=sock
            )
            await watcher.opened
            watchers.append(watcher)

    began = time.monotonic()
    await asyncio.gather(*(open_one(number) for number in range(arguments.clients)))
    while not arguments.stall and not all(watcher.messages for watcher in watchers):
        await asyncio.sleep(0.02)
    opening_seconds, opening_octets = time.monotonic() - began, sum(watcher.octets for watcher in watchers)
    print("opened", flush=True)
    await asyncio.sleep(arguments.settle)
    for watcher in watchers:
        watcher.reset()
    print("counting", flush=True)
    began = time.monotonic()
    await asyncio.sleep(arguments.seconds)
    octets = [watcher.octets for watcher in watchers]
    looking = max(watchers, key=lambda one: one.samples)
    return Taken(
        len(watchers),
        time.monotonic() - began,
        sum(watcher.messages for watcher in watchers),
        sum(octets),
        min(octets),
        max(octets),
        opening_seconds,
        opening_octets,
        looking.samples,
        statistics.median(looking.ages or [0.0]),
    )


def main() -> None:
    """Watch from the command line; prints when all are open, when it counts, and then what was taken, as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--path", action="append", help="given more than once, clients take turns")
    parser.add_argument("--stall", action="store_true", help="read nothing once they are let in")
    parser.add_argument("--deflate", action="store_true")
    parser.add_argument("--settle", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    print(json.dumps(asdict(asyncio.run(watch(parser.parse_args())))), flush=True)
    os._exit(0)  # 1,000 connections that are closed one by one are of no interest


if __name__ == "__main__":
    main()
