"""The gRPC server that the service is behind, and what it lets a peer do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm.aggregatord.ingest import IngestService

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

# Calls may take this long to end once the server stops.
GRACE_SECONDS = 2.0


@asynccontextmanager
async def listening(service: IngestService, address: str) -> AsyncIterator[None]:
    """The service on one of gRPC's addresses ("unix-abstract:name") for as long as the block."""
    server = grpc.aio.server(options=SERVER_OPTIONS)
    rpc.add_IngestServicer_to_server(service, server)
    server.add_insecure_port(address)
    await server.start()
    try:
        yield
    finally:
        await server.stop(GRACE_SECONDS)
