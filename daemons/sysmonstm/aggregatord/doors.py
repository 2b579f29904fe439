"""Where collectors come in: gRPC behind the relay, on the sockets that were handed over, or on one of its own."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from sysmonstm.aggregatord.credentials import Credentials
from sysmonstm.aggregatord.ingest import IngestService
from sysmonstm.aggregatord.relay import Relay
from sysmonstm.aggregatord.server import Secured, listening
from sysmonstm.aggregatord.tls import guard_of
from sysmonstm.listen import listeners

# Long enough for what was just accepted to send its first call; a client waits 20 s for a hub.
LINGER_SECONDS = 0.3


@asynccontextmanager
async def serving(
    listen: str, ingest: IngestService, credentials: Credentials | None, drain: Callable[[], Awaitable[None]]
) -> AsyncIterator[str]:
    """Serve for as long as the block: by TLS what comes by TCP, if there are `credentials`.

    Yields the address of the unix socket between relay and gRPC. In the end no more connections are taken, and `drain`
    is awaited while those that are there go on.
    """
    sockets = listeners("ingest", listen, "AGGREGATOR_LISTEN", guard_of(credentials.tls if credentials else None))
    plain, by_tls = between("grpc"), between("grpc-tls")
    relay = Relay(sockets, plain, by_tls if credentials else None)
    secured = Secured(_for_grpc(by_tls), credentials) if credentials else None
    try:
        async with listening(ingest, _for_grpc(plain), secured):
            relay.start()
            try:
                yield plain
            finally:
                relay.stop_accepting()
                await asyncio.gather(asyncio.sleep(LINGER_SECONDS), drain())
    finally:
        relay.close()
        for sock in sockets:
            sock.close()


def between(name: str) -> str:
    """Where the relay meets gRPC: in systemd's RuntimeDirectory, which is for nobody else, or a name hard to guess."""
    if directory := os.environ.get("RUNTIME_DIRECTORY"):
        return f"{directory}/{name}.sock"
    return f"\0sysmon-aggregatord/{os.getpid()}/{secrets.token_hex(8)}"


def _for_grpc(address: str) -> str:
    return f"unix-abstract:{address[1:]}" if address[0] == "\0" else f"unix:{address}"
