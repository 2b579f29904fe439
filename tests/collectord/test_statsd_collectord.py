"""The real process on a socket that it was handed: what programs send is in its samples, and waits while it is down."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.metric import Layout
from sysmonstm.wire import layout_from_wire
from tests.collectord.scripted_hub import Call, ScriptedHub, last_seq, serving
from tests.shared.real_server import until
from tests.units.played_systemd import PlayedSystemd, Unit, unix_socket

INTERVAL = 0.2


class Hub:
    """Keeps every value of every series, in the order of the samples."""

    def __init__(self) -> None:
        self._layouts: dict[bytes, Layout] = {}
        self._frames: list[pb.Frame] = []
        self.values: dict[str, list[float]] = {}

    async def take(self, _: ScriptedHub, call: Call) -> None:
        await call.welcome()
        async for message in call:
            if message.HasField("layout"):
                self._layouts[message.layout.id] = layout_from_wire(message.layout)
            else:
                self._frames += message.batch.frames
                for missing in {frame.layout_id for frame in message.batch.frames} - self._layouts.keys():
                    await call.need(missing)
                await call.ack(last_seq(message.batch))
            self._name()

    def _name(self) -> None:
        """Name the values of the frames whose layouts have come."""
        while self._frames and (layout := self._layouts.get(self._frames[0].layout_id)):
            for series, value in zip(layout.series, self._frames.pop(0).values, strict=True):
                self.values.setdefault(f"{series.metric.name} {series.instance}".strip(), []).append(value)

    def read(self, series: str, least: float) -> bool:
        """Whether a sample said so much of the series."""
        return any(value >= least for value in self.values.get(series, []))


@asynccontextmanager
async def handed(directory: Path, *datagrams: bytes) -> AsyncIterator[tuple[Hub, PlayedSystemd, str]]:
    """A collector whose socket had these datagrams before it was started, and its hub."""
    hub = Hub()
    path = directory / "metrics.sock"
    sock = unix_socket(path, socket.SOCK_DGRAM)
    for datagram in datagrams:
        send(str(path), datagram)
    async with serving(ScriptedHub(hub.take)) as address:
        settings = {
            "COLLECTOR_MACHINE_ID": "web1",
            "COLLECTOR_AGGREGATOR_URL": address,
            "COLLECTOR_COLLECTION_INTERVAL": str(INTERVAL),
            "COLLECTOR_SPOOL_DIRECTORY": str(directory / "spool"),
            "COLLECTOR_SPOOL_FREE_BYTES": "0",
        }
        configuration = directory / "collectord.toml"
        configuration.write_text("")
        unit = Unit("collectord", settings, {"metrics": [sock]}, ("--config", str(configuration)))
        with PlayedSystemd(directory, unit) as systemd:
            systemd.start()
            await asyncio.to_thread(systemd.is_ready)
            yield hub, systemd, str(path)


def send(path: str, datagram: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(30)
        sender.sendto(datagram, path)


async def test_what_was_sent_before_it_ran_is_in_its_samples(tmp_path: Path) -> None:
    async with handed(tmp_path, b"shop.orders:1|c", b"shop.queue:7|g|#region:eu") as (hub, _, path):
        await until("the count has come", lambda: hub.read("shop.orders", 0.1))
        await until("the level has come", lambda: hub.read("shop.queue region=eu", 7.0))
        send(path, b"shop.checkout:250|ms\ncpu.percent:1|g")
        await until("the time has come", lambda: hub.read("shop.checkout_mean", 0.25))
        await until("the refused one is counted", lambda: hub.read("statsd.refused taken", 0.1))
        assert max(hub.values["statsd.lines"][1:]) > 0


async def test_what_is_sent_while_it_is_dead_is_taken_by_the_next(tmp_path: Path) -> None:
    async with handed(tmp_path) as (hub, systemd, path):
        await until("it sends", lambda: hub.read("statsd.series", 0.0))
        systemd.kill()
        send(path, b"while.dead:5|g")
        systemd.start()
        await until("it has come", lambda: hub.read("while.dead", 5.0))


async def test_bounds_are_heeded_on_reload(tmp_path: Path) -> None:
    async with handed(tmp_path, b"a.first:1|g") as (hub, systemd, path):
        await until("it has come", lambda: hub.read("a.first", 1.0))
        (tmp_path / "collectord.toml").write_text("metrics_series = 1\nmetrics_expire = 1.0\n")
        await asyncio.to_thread(systemd.reload)
        send(path, b"a.second:1|g")
        await until("it is full", lambda: hub.read("statsd.refused full", 0.1))
        await until("the first has expired", lambda: hub.values["a.first"][-1] != hub.values["a.first"][-1])
        assert "a.second" not in hub.values
        (told,) = systemd.events("statsd.refused")
        assert json.dumps(told).count("a.second:1|g") == 1
