"""What tests of the whole daemon need: an aggregator's voice, a webhook, and the daemon as a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from aiohttp import ClientSession, UnixConnector, web
from redis import Redis

from sysmon.v1 import bus_pb2, ingest_pb2
from sysmonstm import bus, wire
from sysmonstm.metric import Kind, Layout, Metric, Series

RULES = """
defaults = false
[rules.hot]
metric = "cpu.percent"
threshold = 90
clear = 80
for = 0.2
severity = "critical"
"""
CPU = Metric("cpu.percent", "percent", Kind.GAUGE, "How busy it is.")
LAYOUT = Layout((Series(CPU),))


class Aggregator:
    """Puts samples into Redis as an aggregator does."""

    def __init__(self, redis_url: str) -> None:
        self.redis = Redis.from_url(redis_url)
        self._epoch = os.urandom(4).hex()
        self._n = 0
        self._seq = 0

    def sample(self, value: float, machine: str = "web1") -> None:
        now = time.time_ns() // 1000
        self._seq += 1
        self._n += 1
        hello = ingest_pb2.Hello(machine=machine, stream=b"s" * 16, interval_seconds=1).SerializeToString()
        layout = wire.layout_to_wire(LAYOUT).SerializeToString()
        frame = ingest_pb2.Frame(seq=self._seq, time_us=now, layout_id=LAYOUT.id, values=[value])
        live = bus_pb2.LiveFrame(machine=machine, stream=b"s" * 16, received_us=now, frame=frame).SerializeToString()
        batch = bus_pb2.LiveBatch(epoch=self._epoch, n=self._n, frames=[live], hellos=[hello], layouts=[layout])
        with self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(bus.LAYOUTS, LAYOUT.id, layout)
            pipe.hset(bus.HELLOS, machine, hello)
            pipe.hset(bus.FRAMES, machine, live)
            pipe.hset(bus.EPOCHS, self._epoch, self._n)
            pipe.publish(bus.LIVE, batch.SerializeToString())
            pipe.execute()

    async def until(self, value: float, reached: Callable[[], Awaitable[object]], machine: str = "web1") -> None:
        """Send the same value again and again until something is so."""

        async def sent_and_reached() -> object:
            self.sample(value, machine)
            return await reached()

        await until(sent_and_reached)


@dataclass
class Receiver:
    """A webhook that answers as it is told, 200 when it is told nothing."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    # (status, body, Idempotency-Key)
    requests: list[tuple[int, dict[str, Any], str]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        status = self.statuses.pop(0) if self.statuses else 200
        self.requests.append((status, await request.json(), request.headers["Idempotency-Key"]))
        return web.Response(status=status, headers={"Location": "/elsewhere"} if status == 302 else None)

    @property
    def taken(self) -> list[str]:
        return [body["state"] for status, body, _ in self.requests if status == 200]


@dataclass
class Alertd:
    """A running sysmon-alertd."""

    process: asyncio.subprocess.Process
    log_file: Path
    control: Path

    async def ask(self, method: str, what: str, body: bytes | None = None) -> tuple[int, Any]:
        """Ask the control interface as soon as it is there: the status, and the JSON of the answer."""
        await until(lambda: now(self.control.exists()))
        async with (
            ClientSession(connector=UnixConnector(str(self.control))) as session,
            session.request(method, f"http://localhost{what}", data=body) as response,
        ):
            return response.status, await response.json(content_type=None)

    def log(self, event: str) -> list[dict[str, Any]]:
        text = self.log_file.read_text()
        assert "Traceback" not in text, text
        # The last line may still be on its way.
        lines = [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if line["event"] == event]

    async def said(self, event: str) -> dict[str, Any]:
        await until(lambda: now(self.log(event)))
        return self.log(event)[0]

    async def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)
        await asyncio.wait_for(self.process.wait(), 30)


class Starter:
    """Starts alertds and stops them when the test is over.

    Their rules are in rules.toml of the directory; where no webhook is given, one may be put there as a credential.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.started: list[Alertd] = []

    async def __call__(self, redis_url: str, database_url: str, webhook: str = "", rules: str = RULES) -> Alertd:
        rules_file = self._directory / "rules.toml"
        rules_file.write_text(rules)
        log_file = self._directory / f"alertd{len(self.started)}.log"
        control = self._directory / f"control{len(self.started)}.sock"
        environment = {
            **os.environ,
            "REDIS_URL": redis_url,
            "TIMESCALE_URL": database_url,
            "ALERTS_RULES_FILE": str(rules_file),
            "ALERTS_CONTROL": f"unix:{control}",
            "LOG_LEVEL": "DEBUG",
        } | ({"ALERTS_WEBHOOK_URL": webhook} if webhook else {"CREDENTIALS_DIRECTORY": str(self._directory)})
        with log_file.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "sysmonstm.alertd", stderr=log, env=environment
            )
        alertd = Alertd(process, log_file, control)
        self.started.append(alertd)
        return alertd


async def now(value: object) -> object:
    return value


async def until(reached: Callable[[], Awaitable[object]], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not await reached():
            await asyncio.sleep(0.1)


async def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return await (await connection.execute(query.encode())).fetchall()


def state_is(url: str, state: str | None) -> Callable[[], Awaitable[object]]:
    async def reached() -> object:
        return await rows(url, "SELECT state FROM alert_states") == ([(state,)] if state else [])

    return reached


def number(url: str, table: str, count: int) -> Callable[[], Awaitable[object]]:
    async def reached() -> object:
        return (await rows(url, f"SELECT count(*) FROM {table}"))[0][0] >= count

    return reached
