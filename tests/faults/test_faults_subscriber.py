"""A subscriber that is paused: Redis gives up on it, and it must find out what it missed."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from redis import Redis

from sysmon.v1 import bus_pb2
from sysmonstm import bus
from tests.faults.stage import Stage
from tests.faults.system import Process
from tests.shared.real_server import until

LIMIT = "client-output-buffer-limit"
# So that a few seconds are as good as minutes: a subscriber that lags by more is thrown out.
SMALL, AS_IT_WAS = "pubsub 65536 32768 1", "pubsub 33554432 8388608 60"


@contextmanager
def small_buffers(url: str) -> Iterator[Redis]:
    with Redis.from_url(url) as client:
        client.config_set(LIMIT, SMALL)
        try:
            yield client
        finally:
            client.config_set(LIMIT, AS_IT_WAS)


def subscriber(stage: Stage, way: str) -> tuple[Process, Path]:
    told = stage.directory / f"{way}.json"
    command = [sys.executable, "-m", "tests.faults.subscriber", way, stage.servers.redis.url, str(told)]
    process = Process(command, {}, stage.directory / f"{way}.log")
    stage.processes.append(process)
    process.start()
    return process, told


def published(client: Redis) -> int:
    return sum(int(number) for number in client.hvals(bus.EPOCHS))


def hashes(client: Redis) -> dict[str, list[object]]:
    frames = [bus_pb2.LiveFrame.FromString(raw) for raw in client.hvals(bus.FRAMES) if isinstance(raw, bytes)]
    return {frame.machine: [frame.stream.hex(), frame.frame.seq] for frame in frames}


async def test_a_paused_subscriber_misses_most_and_one_that_follows_ends_with_no_difference(stage: Stage) -> None:
    hub = await stage.aggregator()
    with small_buffers(stage.servers.redis.url) as client:
        (plain, counted), (follower, followed) = subscriber(stage, "plain"), subscriber(stage, "follow")
        await until("both read", lambda: counted.exists() and followed.exists())
        stage.collect(hub.address, machines=25, width=500)
        await until("publishes come", lambda: json.loads(counted.read_text()) > 10)
        before, had = published(client), json.loads(counted.read_text())
        for one in (plain, follower):
            one.signal(signal.SIGSTOP)
        await asyncio.sleep(max(6.0, stage.seconds))
        for one in (plain, follower):
            one.signal(signal.SIGCONT)
        await asyncio.sleep(1)
        missed = published(client) - before - (json.loads(counted.read_text()) - had)
        print(f"paused, a plain subscriber missed {missed} of {published(client) - before} publishes")
        assert missed > 0, "the pause was long enough for Redis to give up on it"
        await stage.everything_acknowledged()
        await until("the follower has what the hashes have", lambda: json.loads(followed.read_text()) == hashes(client))
        assert len(hashes(client)) == 25
    await stage.settle()
