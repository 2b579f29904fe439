"""The gRPC server that the service is behind, and what it lets a peer do."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

import grpc

from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm.aggregatord.credentials import Credentials
from sysmonstm.aggregatord.ingest import IngestService
from sysmonstm.beats import Loop

SERVER_OPTIONS = [
    ("grpc.so_reuseport", 0),
    # Before 1.84 grpcio inflates a gzip bomb before it looks at the size limit: take no compression.
    ("grpc.compression_enabled_algorithms_bitset", 1),
    ("grpc.max_receive_message_length", 4 * 1024 * 1024),
    # Collectors ping every 20 s to find a dead hub; a dead collector is found as quickly.
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A ping that measures bandwidth holds up the one that looks for life, and would itself be waited for for a minute.
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.max_concurrent_streams", 4),
]

# How often a connection of our own asks gRPC whether it is there, and how long the answer may take.
LOOK_SECONDS = 2.0
ANSWER_SECONDS = 1.5

# Calls may take this long to end once the server stops, which those of collectors never do by themselves.
GRACE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Secured:
    """One more of gRPC's addresses, where TLS is spoken."""

    address: str
    credentials: Credentials


@asynccontextmanager
async def listening(service: IngestService, address: str, secured: Secured | None = None) -> AsyncIterator[None]:
    """The service on one of gRPC's addresses ("unix:/path"), and on one with TLS perhaps, for as long as the block."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    rpc.add_IngestServicer_to_server(service, server)
    server.add_insecure_port(address)
    if secured:
        server.add_secure_port(secured.address, secured.credentials.server)
    await server.start()
    try:
        yield
    finally:
        await server.stop(GRACE_SECONDS)


async def look_whether_served(address: str, loop: Loop) -> NoReturn:
    """Beat for as long as gRPC, whose threads are its own, greets those who connect to its socket."""
    while True:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                served = await _is_served(address)
        except TimeoutError:
            served = False
        except OSError as error:
            # Where no descriptor is left nothing is known of gRPC, and the relay waits for better times.
            served = error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
        if served:
            loop.beat()
        await asyncio.sleep(LOOK_SECONDS)


async def _is_served(address: str) -> bool:
    """Whether a server of HTTP/2 says its first word, which it does before it has heard any."""
    running = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        await running.sock_connect(sock, address)
        return bool(await running.sock_recv(sock, 64))
