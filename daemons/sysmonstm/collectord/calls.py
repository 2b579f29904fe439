"""The calls to an aggregator: seals what is written, unseals what is read, and has one error for however they end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeAlias

import grpc

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm.collectord.trust import UNIX, Trust
from sysmonstm.wire import DamagedError, Sealer, Unsealer

CHANNEL_OPTIONS = [
    # A dead hub is found within 30 s. While another ping is under way none is sent for this, and that one's own timeout
    # would be a minute.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # Else it would ping with almost every message, to find out how much it could receive: it only receives Acks.
    ("grpc.http2.bdp_probe", 0),
    # Back-off is decided by the uplink, with full jitter.
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.enable_retries", 0),
    # Each connection is one of its own, and each try a new one; else gRPC shares what failed a moment ago.
    ("grpc.use_local_subchannel_pool", 1),
]

Ingest: TypeAlias = "grpc.aio.StreamStreamCall[pb.Sealed, pb.Sealed]"
Live: TypeAlias = "grpc.aio.StreamUnaryCall[pb.Sealed, pb.LiveSummary]"

_TIMER_SLACK = Path("/proc/self/timerslack_ns")
_IDLE_SLACK_NS = 50_000_000


class DisconnectedError(Exception):
    """A call has ended. The sentence says why."""


class IngestCall:
    """One call of the durable lane. One task writes and one reads: gRPC takes one write at a time."""

    def __init__(self, stub: rpc.IngestStub) -> None:
        self._call: Ingest = stub.Ingest()
        self._sealer = Sealer()
        self._unsealer = Unsealer(pb.AggregatorMessage)

    async def write(self, message: pb.CollectorMessage) -> None:
        """Send a message; returns once the connection has taken it. DisconnectedError if the call has ended."""
        await _write(self._call, self._sealer.seal(message))

    async def read(self) -> pb.AggregatorMessage:
        """The next message; DisconnectedError if there is none, or if it was damaged, which ends the call."""
        try:
            sealed = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise _disconnected(error) from None
        if not isinstance(sealed, pb.Sealed):
            self.end()
            raise DisconnectedError("it has ended the stream")
        try:
            return self._unsealer.unseal(sealed)
        except DamagedError as damage:
            self.end()
            raise DisconnectedError(str(damage)) from None

    def end(self) -> None:
        """Hang up."""
        self._call.cancel()


class LiveCall:
    """One call of the live lane."""

    def __init__(self, stub: rpc.IngestStub) -> None:
        self._call: Live = stub.Live()
        self._sealer = Sealer()

    async def write(self, message: pb.LiveMessage) -> None:
        """Send a message; returns once the connection has taken it. DisconnectedError if the call has ended."""
        await _write(self._call, self._sealer.seal(message))

    def end(self) -> None:
        """Hang up."""
        self._call.cancel()


@asynccontextmanager
async def channel_to(address: str, trust: Trust | None = None) -> AsyncIterator[rpc.IngestStub]:
    """Calls to this address, for as long as the block; all of them end with it. Connecting is left to the first.

    By TLS, if there is `trust` and the address is no unix socket.
    """
    with _coarse_timers():
        if trust and not address.startswith(UNIX):
            channel = grpc.aio.secure_channel(address, _credentials(trust), options=CHANNEL_OPTIONS)
        else:
            channel = grpc.aio.insecure_channel(address, options=CHANNEL_OPTIONS)
    async with channel:
        yield rpc.IngestStub(channel)


def _credentials(trust: Trust) -> grpc.ChannelCredentials:
    if own := trust.identity:
        return grpc.ssl_channel_credentials(trust.authorities, own.key, own.chain)
    return grpc.ssl_channel_credentials(trust.authorities)


async def _write(call: Ingest | Live, sealed: pb.Sealed) -> None:
    try:
        await call.write(sealed)
    except grpc.aio.AioRpcError as error:
        raise _disconnected(error) from None
    except asyncio.InvalidStateError:
        # gRPC's word for writing to a call that ended in the meantime.
        raise DisconnectedError(await call.details() or "it has ended the call") from None


def _disconnected(error: grpc.aio.AioRpcError) -> DisconnectedError:
    return DisconnectedError(f"{error.code().name}: {error.details()}")


@contextmanager
def _coarse_timers() -> Iterator[None]:
    """Let the threads that gRPC starts meanwhile be woken up to 50 ms late.

    They wake many times a second to see that nothing is to be done; the kernel may then let several wake at once, which
    about halves what an idle collector costs. Threads inherit the slack of the one that starts them; this thread, which
    keeps the grid of the samples, gets its own back.
    """
    try:
        before = _TIMER_SLACK.read_text()
        _TIMER_SLACK.write_text(str(_IDLE_SLACK_NS))
    except OSError:
        # A kernel or a sandbox without it: gRPC then costs what it costs.
        yield
        return
    try:
        yield
    finally:
        _TIMER_SLACK.write_text(before)
