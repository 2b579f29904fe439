from __future__ import annotations

import asyncio
import os
import re
import secrets
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sysmonstm.aggregatord.relay import Relay, peer_address
from tests.shared.real_server import until

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def relayed(listener: socket.socket) -> AsyncIterator[tuple[Relay, asyncio.Queue[Streams]]]:
    """A relay before a plain server in gRPC's place, and the connections that reach that server."""
    name, arrived = f"sysmon-test/{secrets.token_hex(8)}", asyncio.Queue[Streams]()
    target = socket.socket(socket.AF_UNIX)
    target.bind(f"\0{name}")

    async def arrive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await arrived.put((reader, writer))

    server = await asyncio.start_unix_server(arrive, sock=target, backlog=1000)
    relay = Relay([listener], f"\0{name}")
    relay.start()
    try:
        yield relay, arrived
    finally:
        relay.stop_accepting()
        relay.close()
        server.close()


def listening() -> socket.socket:
    sock = socket.create_server(("127.0.0.1", 0), backlog=1000)
    sock.setblocking(False)
    return sock


async def dial(listener: socket.socket) -> Streams:
    return await asyncio.open_connection(*listener.getsockname())


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only


chunks = st.lists(st.binary(min_size=1, max_size=300) | st.integers(1, 900_000).map(lambda n: b"x" * n), max_size=5)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(chunks, chunks, st.booleans())
def test_bytes_arrive_as_they_were_sent_and_either_side_may_end_first(
    up: list[bytes], down: list[bytes], peer_ends_first: bool
) -> None:
    async def send(writer: asyncio.StreamWriter, pieces: list[bytes]) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        writer.write_eof()

    async def talk() -> None:
        with listening() as listener:
            async with relayed(listener) as (relay, arrived), asyncio.timeout(60):
                peer_reader, peer_writer = await dial(listener)
                reader, writer = await arrived.get()
                ways = [(peer_writer, up, reader), (writer, down, peer_reader)]
                for sender, pieces, receiver in ways if peer_ends_first else ways[::-1]:
                    # One way is closed before the other is used: half-closed, it still carries everything.
                    _, received = await asyncio.gather(send(sender, pieces), receiver.read())
                    assert received == b"".join(pieces)
                await until("the connection is forgotten", lambda: relay.connections == 0)
                for sender, _, _ in ways:
                    sender.close()

    asyncio.run(talk())


async def test_descriptors_return_to_what_they_were_after_300_mixed_closes() -> None:
    with listening() as listener:
        async with relayed(listener) as (relay, arrived), asyncio.timeout(60):
            before = descriptors()
            for number in range(300):
                _, writer = await dial(listener)
                _, far = await arrived.get()
                writer.write(b"x" * 1000)
                if number % 4 == 0:
                    # A reset instead of a goodbye.
                    sock: socket.socket = writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    writer.close()
                elif number % 4 == 1:
                    far.transport.abort()
                elif number % 4 == 2:
                    writer.write_eof()
                    far.close()
                else:
                    writer.close()
                writer.close()
                far.close()
            await until("all are closed", lambda: relay.connections == 0 and descriptors() <= before)


async def test_connections_that_are_not_accepted_wait_for_the_next_relay() -> None:
    with listening() as listener:
        async with relayed(listener) as (relay, arrived):
            _, early = await dial(listener)
            await arrived.get()
            relay.stop_accepting()
            reader, late = await dial(listener)
            late.write(b"are you there?")
            await late.drain()
            await asyncio.sleep(0.1)
            assert arrived.empty()
            assert relay.connections == 1
        async with relayed(listener) as (_, arrived), asyncio.timeout(60):
            far_reader, far = await arrived.get()
            assert await far_reader.readexactly(14) == b"are you there?"
            far.write(b"yes")
            assert await reader.readexactly(3) == b"yes"
        early.close()
        late.close()


async def test_a_storm_that_fills_the_queue_before_grpc_waits_and_loses_nobody() -> None:
    name = f"\0sysmon-test/{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX) as target, listening() as listener:
        target.bind(name)
        # It takes two, and nobody accepts yet.
        target.listen(1)
        relay = Relay([listener], name)
        relay.start()
        dialled = [await dial(listener) for _ in range(40)]
        for _, writer in dialled:
            writer.write(b"hello")
        await asyncio.sleep(0.3)
        target.setblocking(False)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(60):
            taken = [(await loop.sock_accept(target))[0] for _ in dialled]
            assert [await loop.sock_recv(sock, 5) for sock in taken] == [b"hello"] * len(dialled)
        assert relay.connections == len(dialled)
        for sock in taken:
            sock.close()
        for _, writer in dialled:
            writer.close()
        relay.stop_accepting()
        relay.close()


async def test_a_peer_is_told_when_grpc_is_not_there() -> None:
    with listening() as listener:
        relay = Relay([listener], f"\0sysmon-test/nobody/{secrets.token_hex(8)}")
        relay.start()
        reader, writer = await dial(listener)
        async with asyncio.timeout(60):
            assert await reader.read() == b""
        writer.close()
        relay.stop_accepting()
        assert relay.connections == 0


async def _peer_of(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
    return context.peer().encode()


async def test_grpc_sees_the_address_of_the_peer() -> None:
    name = f"sysmon-test/{secrets.token_hex(8)}"
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler = grpc.method_handlers_generic_handler("t", {"Peer": grpc.unary_unary_rpc_method_handler(_peer_of)})
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"unix-abstract:{name}")
    await server.start()
    with listening() as listener:
        relay = Relay([listener], f"\0{name}")
        relay.start()
        try:
            host, port = listener.getsockname()
            async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
                said: bytes = await channel.unary_unary("/t/Peer")(b"", timeout=30)  # type: ignore[arg-type]  # plain bytes
        finally:
            relay.stop_accepting()
            await server.stop(0)
            relay.close()
    assert re.fullmatch(r"127\.0\.0\.1:[0-9]+", peer_address(said.decode()))


@pytest.mark.parametrize(
    "peer",
    ["unix:", "ipv4:10.0.0.1:5", "unix-abstract:sysmon-peer/127.0.0.1/x/1", "unix-abstract:sysmon-peer/\x1b/1/1"],
)
def test_a_name_that_is_not_the_relays_own_is_given_as_it_is(peer: str) -> None:
    assert peer_address(peer) == peer


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("unix-abstract:sysmon-peer/10.0.0.1/5/0a/1", "10.0.0.1:5"),
        ("unix-abstract:sysmon-peer/fd00::1/5/0a/1", "[fd00::1]:5"),
        ("unix-abstract:sysmon-peer/unix/990/123/0a/1", "unix:uid=990,pid=123"),
    ],
)
def test_a_name_of_the_relays_own_is_given_as_people_write_an_address(peer: str, address: str) -> None:
    assert peer_address(peer) == address


_CROWDED = """
import asyncio, resource, socket, sys, tempfile
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
from sysmonstm.aggregatord.relay import Relay

async def echo(reader, writer):
    while data := await reader.read(1000):
        writer.write(data)
    writer.close()

async def main():
    target = socket.socket(socket.AF_UNIX)
    target.bind("\\0" + sys.argv[2])
    server = await asyncio.start_unix_server(echo, sock=target, backlog=1000)
    relay = Relay([socket.socket(fileno=int(sys.argv[1]))], "\\0" + sys.argv[2])
    HOARD
    relay.start()
    print("ready", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""
# Leaves the relay fewer descriptors than it counts on, as a process does that uses many elsewhere.
_HOARD = """hoard = [tempfile.TemporaryFile() for _ in range(85)]
    asyncio.get_running_loop().call_later(1.0, hoard.clear)"""


@contextmanager
def crowded(listener: socket.socket, log: Path, hoard: str = "pass") -> Iterator[None]:
    """The relay in a process that may have 100 descriptors."""
    command = [sys.executable, "-c", _CROWDED.replace("HOARD", hoard), str(listener.fileno())]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*command, f"sysmon-test/{secrets.token_hex(8)}"],
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.kill()
        process.communicate()


async def test_more_connections_than_descriptors_are_all_served_in_the_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with listening() as listener, crowded(listener, log):
        dialled = [await dial(listener) for _ in range(300)]
        async with asyncio.timeout(60):
            for number, (reader, writer) in enumerate(dialled):
                writer.write(b"%d" % number)
                assert await reader.read(10) == b"%d" % number
                writer.close()
    assert log.read_text() == "connections wait in the kernel's queue\n"


async def test_a_process_that_is_out_of_descriptors_recovers(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with listening() as listener, crowded(listener, log, _HOARD):
        for _, writer in [await dial(listener) for _ in range(50)]:
            await asyncio.sleep(0.03)
            writer.close()
        async with asyncio.timeout(60):
            reader, writer = await dial(listener)
            writer.write(b"still there?")
            assert await reader.read(20) == b"still there?"
            writer.close()
    # The stand-in for gRPC complains too; what matters is that nothing of ours ends in a traceback.
    assert "aggregatord/relay.py" not in log.read_text()
