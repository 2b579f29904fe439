"""A NixOS machine that is switched: what it says anew of itself is in Redis, on the dashboard and in the database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import psycopg
import pytest
from redis import Redis

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import bus
from tests.collectord.nixos_tree import REVISION, NixosTree
from tests.whole_system import WholeSystem, eventually

NAME = "nixos-machine"
TAGS = ["web", "rack:4"]


@contextmanager
def collector(system: WholeSystem, root: Path) -> Iterator[None]:
    """Of a machine whose deployments lie below `root`."""
    environment = os.environ | {
        "COLLECTOR_AGGREGATOR_URL": system.aggregator,
        "COLLECTOR_MACHINE_ID": NAME,
        "COLLECTOR_TAGS": ",".join(TAGS),
        "COLLECTOR_COLLECTION_INTERVAL": "0.5",
        "COLLECTOR_SPOOL_DIRECTORY": str(system.state / "spool-nixos"),
    }
    command = [sys.executable, "-m", "tests.collectord.nixos_collectord", str(root)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def stored(system: WholeSystem) -> tuple[dict[str, str], list[str]]:
    """Facts and tags in the database; what people see of them."""
    address = f"host={system.state}/postgres/run user=monitor dbname=monitor"
    with psycopg.connect(address) as connection:
        row = connection.execute("SELECT facts, tags FROM fleet WHERE machine = %s", (NAME,)).fetchone()
    return row or ({}, [])


def in_redis(system: WholeSystem) -> pb.Hello:
    with Redis(unix_socket_path=str(next((system.state / "redis").glob("**/*.sock")))) as redis:
        raw = redis.hget(bus.HELLOS, NAME)
    assert isinstance(raw, bytes)
    return pb.Hello.FromString(raw)


async def next_hello(socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """What a browser is told of the machine when it introduces itself."""
    while True:
        update = json.loads((await socket.receive(30)).data)
        if update["type"] == "machine" and update["machine"] == NAME:
            return dict(update)


async def test_a_switch_reaches_everybody_without_a_restart(system: WholeSystem, tmp_path: Path) -> None:
    tree = NixosTree(tmp_path)
    tree.generation(42, tree.system("42"))
    tree.boot(tree.store / "hash-nixos-system-web1-42")
    with collector(system, tree.root):
        system.moves_on(NAME)
        machine = system.machine(NAME, "nixos.generation", "nixos.needs_reboot")
        assert machine
        assert (machine["facts"]["generation"], machine["tags"]) == ("42", TAGS)
        assert machine["values"] == {"nixos.generation": {"": 42}, "nixos.needs_reboot": {"": 0}}
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{system.url}/ws") as socket:
            tree.switch(43, tree.system("43", kernel="6.18", revision=REVISION))
            told = await next_hello(socket)
            while told["facts"]["generation"] != "43":
                told = await next_hello(socket)
        assert (told["facts"]["revision"], told["tags"]) == (REVISION, TAGS)
        assert (in_redis(system).facts["generation"], list(in_redis(system).tags)) == ("43", TAGS)
        eventually("the database has it", lambda: stored(system)[0].get("generation") == "43")
        assert stored(system)[1] == TAGS
        assert {"needs_reboot", "revision"} <= set(told["facts"]) & set(in_redis(system).facts) & set(stored(system)[0])
        (event,) = eventually(
            "the event is stored", lambda: system.get(f"/api/events?kind=system.activated&machine={NAME}").get("events")
        )
    assert event["message"].startswith("generation 43 (revision 1a2b3c4d) was activated, after 42; needs a reboot: ")
    assert (event["severity"], event["time"]) == ("info", pytest.approx(tree.time_ns / 1e9, abs=1e-5))
    assert event["fields"]["previous_generation"] == "42"


async def test_what_is_no_longer_so_goes_away_everywhere(system: WholeSystem, tmp_path: Path) -> None:
    tree = NixosTree(tmp_path)
    tree.generation(42, tree.system("42"))
    tree.boot(tree.store / "hash-nixos-system-web1-42")
    tree.switch(43, tree.system("43", kernel="6.18", revision=REVISION))
    gone = {"needs_reboot", "revision"}
    with collector(system, tree.root):
        eventually("it is told of", lambda: gone <= set(stored(system)[0]))
        tree.switch(44, tree.system("44"))
        eventually("the database has what is now", lambda: stored(system)[0].get("generation") == "44")
        machine = system.machine(NAME)
    assert machine
    assert not gone & (set(stored(system)[0]) | set(in_redis(system).facts) | set(machine["facts"]))
