"""sysmon-aggregatord under a played systemd: sockets, descriptors, restarts, and how it stops."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import struct
import threading
import time
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import psycopg
import pytest

from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm.wire import layout_to_wire
from tests.aggregatord.ingest_hub import ending, heard, rows, say, send, settles, welcomed
from tests.aggregatord.samples import frame, layout, now_us
from tests.shared.real_server import RealServer
from tests.units.conftest import StartsAggregatord, sampling
from tests.units.http2 import connected, is_answered
from tests.units.played_systemd import at_rest, tcp_socket, unix_socket
from tests.whole_system import eventually

CONNECTIONS = 500
RESTARTS = 10


def test_a_connection_from_before_the_start_is_served_once_it_is_up(
    aggregatord: StartsAggregatord, tmp_path: Path
) -> None:
    listeners = [tcp_socket(), unix_socket(tmp_path / "aggregatord.sock")]
    systemd = aggregatord(ready=False, sockets={"ingest": listeners})
    early = [connected(listener) for listener in listeners]
    systemd.start()
    assert all(map(is_answered, early))
    systemd.is_ready()
    for listener in listeners:
        with connected(listener) as sock:
            assert is_answered(sock)
    # It is one process, which has no address of its own.
    assert systemd.children() == []
    assert systemd.listens_itself() == []
    for sock in early:
        sock.close()


def test_it_is_ready_only_when_what_it_listens_on_is_served(aggregatord: StartsAggregatord) -> None:
    systemd = aggregatord(ready=False)
    (listener,) = systemd.unit.sockets["ingest"]
    for _ in range(3):
        systemd.start()
        systemd.is_ready()
        with connected(listener) as sock:
            assert is_answered(sock)
        assert systemd.stop() == 0


def test_a_socket_under_a_name_that_nobody_asks_for_is_closed_and_logged(aggregatord: StartsAggregatord) -> None:
    with tcp_socket() as other:
        inode = os.fstat(other.fileno()).st_ino
        systemd = aggregatord(sockets={"ingest": [tcp_socket()], "inject": [other]})
        systemd.logs("listen.unknown")
        assert f"socket:[{inode}]" not in systemd.descriptors().values()


def test_a_datagram_socket_is_not_taken_for_one_that_listens(aggregatord: StartsAggregatord, tmp_path: Path) -> None:
    wrong = unix_socket(tmp_path / "wrong.sock", socket.SOCK_DGRAM)
    systemd = aggregatord(sockets={"ingest": [wrong]}, settings={"AGGREGATOR_LISTEN": "127.0.0.1:0"})
    systemd.logs("listen.unfit")
    assert len(systemd.listens_itself()) == 1


def test_sockets_that_were_meant_for_another_process_are_not_taken(aggregatord: StartsAggregatord) -> None:
    systemd = aggregatord(settings={"LISTEN_PID": "1", "AGGREGATOR_LISTEN": "127.0.0.1:0"})
    (own,) = systemd.listens_itself()
    assert own.startswith("0100007F:")


def test_it_listens_at_a_path_that_its_settings_name_also_after_it_was_killed(
    aggregatord: StartsAggregatord, tmp_path: Path
) -> None:
    path = tmp_path / "own.sock"
    systemd = aggregatord(sockets={}, settings={"AGGREGATOR_LISTEN": f"unix:{path}"})
    assert path.stat().st_mode & 0o777 == 0o660
    systemd.kill()
    systemd.start()
    systemd.is_ready()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(path))


def test_each_connection_takes_three_descriptors_and_all_come_back(
    aggregatord: StartsAggregatord, tmp_path: Path
) -> None:
    listeners = [tcp_socket(), unix_socket(tmp_path / "aggregatord.sock")]
    systemd = aggregatord(sockets={"ingest": listeners})
    with connected(listeners[0]) as first:
        assert is_answered(first)
    eventually("the looks at gRPC are over", lambda: at_rest(systemd))
    base = len(systemd.descriptors())
    held = [connected(listener) for listener in listeners for _ in range(10)]
    assert all(map(is_answered, held))
    eventually("three descriptors a connection", lambda: len(systemd.descriptors()) == base + 3 * len(held))
    for number in range(300):
        sock = connected(listeners[number % 2])
        if number % 3 == 0 and sock.family == socket.AF_INET:
            # A reset instead of a goodbye.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif number % 3 == 1:
            assert is_answered(sock)
            sock.shutdown(socket.SHUT_WR)
        sock.close()
    for sock in held:
        sock.close()
    eventually("all are closed", lambda: len(systemd.descriptors()) <= base)


def test_more_connections_than_descriptors_wait_and_it_recovers(aggregatord: StartsAggregatord) -> None:
    prlimit = shutil.which("prlimit")
    assert prlimit, "util-linux has it"
    systemd = aggregatord(ready=False)
    systemd.unit.command = (prlimit, "--nofile=100:100", *systemd.unit.argv())
    (listener,) = systemd.unit.sockets["ingest"]
    systemd.start()
    systemd.is_ready()
    crowd = [connected(listener) for _ in range(300)]
    systemd.logs("relay.full")
    crowded = time.monotonic()
    systemd.waits_for("WATCHDOG", "1", after=crowded + 3)
    for sock in crowd:
        sock.close()
    with connected(listener) as sock:
        assert is_answered(sock)
    assert systemd.stop() == 0


def test_no_connection_is_refused_and_no_sample_lost_while_it_is_restarted(
    aggregatord: StartsAggregatord, database_url: str, tmp_path: Path
) -> None:
    systemd = aggregatord()
    (listener,) = systemd.unit.sockets["ingest"]
    with sampling(tmp_path, listener) as collector:
        failures: list[str] = []
        asking = threading.Thread(target=_connect_often, args=(listener, failures))
        asking.start()
        for number in range(RESTARTS):
            time.sleep(0.5)
            if number % 2:
                systemd.kill()
            else:
                assert systemd.stop() == 0
                # Nothing is amiss about collectors that are connected meanwhile.
                assert [one for one in systemd.events() if one["level"] in ("error", "critical")] == []
                # No library writes lines in a form of its own.
                assert [line for line in systemd.log().splitlines() if not line.startswith("{")] == []
            systemd.start()
            systemd.is_ready()
        asking.join()
        assert failures == []
        seen = _durable(database_url)
        eventually("samples go on", lambda: _durable(database_url) > seen + 5)
        assert collector.stop() == 0
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM gaps").fetchone() == (0,)
        stored = connection.execute("SELECT count(*) FROM frames").fetchone()
    # Numbers grow by one with each sample.
    assert stored == (_durable(database_url),)


def _durable(database_url: str) -> int:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT coalesce(max(durable_seq), 0) FROM streams").fetchone()
    assert row is not None
    return int(row[0])


def _connect_often(listener: socket.socket, failures: list[str]) -> None:
    for number in range(CONNECTIONS):
        try:
            with connected(listener):
                time.sleep(0.02)
        except OSError as error:
            failures.append(f"{number}: {error}")


def test_a_connection_that_is_made_while_it_stops_is_served_by_the_next(aggregatord: StartsAggregatord) -> None:
    systemd = aggregatord()
    (listener,) = systemd.unit.sockets["ingest"]
    told = systemd.signal(signal.SIGTERM)
    systemd.waits_for("STOPPING", "1", after=told)
    # Beyond the time for which what was just accepted may still send.
    time.sleep(0.5)
    between = connected(listener)
    assert systemd.ends() == 0
    systemd.start()
    assert is_answered(between)
    between.close()


@pytest.mark.parametrize("frozen", [False, True])
def test_it_says_that_it_stops_and_does_so_with_0_even_if_the_database_hangs(
    aggregatord: StartsAggregatord, own_postgres: RealServer, frozen: bool
) -> None:
    systemd = aggregatord(settings={"TIMESCALE_URL": own_postgres.url})
    systemd.logs("database.up")
    if frozen:
        own_postgres.freeze()
        # So that it waits for an answer.
        time.sleep(4)
    try:
        assert systemd.stop() == 0
    finally:
        own_postgres.thaw()
    assert "STOPPING" in {name for one in systemd.heard for name in one.fields}


async def test_what_has_come_is_committed_and_acknowledged_while_it_stops(
    aggregatord: StartsAggregatord, database_url: str
) -> None:
    # Long enough for the batch to wait for its commit when the daemon is asked to stop.
    systemd = aggregatord(settings={"AGGREGATOR_COMMIT_INTERVAL": "1.0"})
    host, port = systemd.unit.sockets["ingest"][0].getsockname()
    async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
        call = await welcomed(rpc.IngestStub(channel))
        await say(call, layout=layout_to_wire(layout()))
        await send(call, frame(1, time_us=now_us() - 1), frame(2, time_us=now_us()))
        await heard(call, lambda message: message.ack.received_seq >= 2)
        systemd.signal(signal.SIGTERM)
        await heard(call, settles(2))
        assert (await ending(call)).code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
    assert await asyncio.to_thread(systemd.ends) == 0
    assert rows(database_url) == [("web1", 1.0), ("web1", 2.0)]


async def test_several_local_collectors_are_told_apart(aggregatord: StartsAggregatord, tmp_path: Path) -> None:
    path = tmp_path / "aggregatord.sock"
    systemd = aggregatord(sockets={"ingest": [unix_socket(path)]})
    async with AsyncExitStack() as opened:
        # A call ends with the last reference to it.
        calls = []
        for number in range(3):
            # Channels to one address share a connection unless they are told not to.
            options = [("grpc.use_local_subchannel_pool", 1)]
            channel = await opened.enter_async_context(grpc.aio.insecure_channel(f"unix:{path}", options=options))
            calls.append(await welcomed(rpc.IngestStub(channel), f"web{number}"))
        systemd.logs("machine.connected", 3)
        peers = [one["fields"]["peer"] for one in systemd.events("machine.connected")]  # type: ignore[index]
        assert set(peers) == {f"unix:uid={os.getuid()},pid={os.getpid()}"}
        eventually("all three are connected", lambda: "3 of 3 machines connected" in systemd.status)
