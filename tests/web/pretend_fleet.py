"""A small fleet that has a story to show: some hours of plausible history, then live, over the real protocol."""

from __future__ import annotations

import asyncio
import math
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

import grpc

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm.collectord.probes import CATALOGUE
from sysmonstm.metric import Layout, Series
from sysmonstm.wire import Sealer, Unsealer, layout_to_wire

INTERVAL_SECONDS = 5.0
# It has been heard live then.
SILENT_AFTER_SECONDS = 20.0
GIB = 2.0**30
MIB = 2.0**20
FAMILIES = frozenset({"cpu", "memory", "filesystem", "disk", "network", "system", "pressure", "probe"})
PROBES = ("cpu", "memory", "filesystems", "disks", "network", "system", "pressure")

Call = grpc.aio.StreamStreamCall[pb.Sealed, pb.Sealed]


@dataclass(frozen=True, slots=True)
class Character:
    """What kind of machine it is.

    `busy` is its CPU and `full` its fullest disk, in percent; `traffic` in bytes/s. One that is `silent`
    says no more after its first live samples. From the first to the second of `gap`, in seconds ago, it has none.
    """

    name: str
    tags: tuple[str, ...]
    cores: int = 8
    memory: float = 32 * GIB
    busy: float = 18
    full: float = 47
    traffic: float = 2 * MIB
    nixos: bool = True
    silent: bool = False
    gap: tuple[float, float] = (0, 0)


FLEET = (
    Character("atlas", ("prod", "web", "rack:1"), cores=16, busy=42, traffic=22 * MIB),
    Character("borea", ("prod", "web", "rack:2"), cores=16, busy=38, traffic=19 * MIB),
    Character("castor", ("prod", "db", "rack:1"), memory=128 * GIB, busy=24, full=86.5, traffic=6 * MIB),
    Character("dione", ("prod", "db", "rack:2"), memory=128 * GIB, busy=9, full=71, gap=(2400, 1500)),
    Character("europa", ("prod", "cache", "rack:3"), memory=64 * GIB, busy=12, traffic=41 * MIB),
    Character("fornax", ("build", "rack:3"), cores=32, memory=64 * GIB, busy=71, full=63),
    Character("gaia", ("prod", "mail", "rack:3"), cores=4, busy=6, nixos=False),
    Character("helios", ("staging", "web"), cores=4, memory=8 * GIB, busy=5, silent=True),
    Character("io", ("staging", "db"), cores=4, memory=16 * GIB, busy=4, full=38),
    Character("juno", ("home", "nas"), cores=4, memory=16 * GIB, busy=3, full=91.8, traffic=0.4 * MIB),
    Character("kore", ("home", "laptop"), cores=12, memory=32 * GIB, busy=11, full=55),
    Character("leda", ("edge",), cores=2, memory=2 * GIB, busy=17, full=44, traffic=0.2 * MIB, nixos=False),
)


class PretendMachine:
    """One of them: says what it would have read at a moment."""

    def __init__(self, character: Character) -> None:
        self.character = character
        self.rng = random.Random(character.name)
        self.phase = self.rng.uniform(0, 2 * math.pi)
        self.booted = time.time() - self.rng.uniform(3, 60) * 86400
        self.burst = 0.0
        self.layout = Layout(tuple(self._series()))

    def _series(self) -> Iterator[Series]:
        instances = {
            "core": [str(core) for core in range(self.character.cores)],
            "mount": ["/", "/nix" if self.character.nixos else "/home", "/srv"],
            "device": ["nvme0n1", "nvme1n1"],
            "interface": ["eno1"],
            "probe": list(PROBES),
            "": [""],
        }
        for metric in CATALOGUE:
            if metric.name.split(".")[0] in FAMILIES:
                yield from (Series(metric, instance) for instance in instances.get(metric.instance_label, []))

    def values(self, moment: float) -> list[float]:
        """One for each series of the layout."""
        load = self._load(moment)
        return [self._value(series, moment, load) for series in self.layout.series]

    def _load(self, moment: float) -> float:
        """A share of all cores: a day's wave, noise, and now and then a burst that ebbs away."""
        self.burst = self.burst * 0.93 + (self.rng.uniform(10, 45) if self.rng.random() < 0.004 else 0)
        wave = (
            1 + 0.35 * math.sin(moment / 86400 * 2 * math.pi + self.phase) + 0.15 * math.sin(moment / 700 + self.phase)
        )
        return max(0.4, min(99.0, self.character.busy * wave + self.burst + self.rng.gauss(0, 1.6)))

    def _value(self, series: Series, moment: float, load: float) -> float:
        made = _MAKERS.get(series.metric.name)
        return made(self, series.instance, moment, load) if made else 0.0

    def facts(self) -> dict[str, str]:
        """What its collector would say of it."""
        character = self.character
        system = "NixOS 26.05 (Yarara)" if character.nixos else "Debian GNU/Linux 13 (trixie)"
        said = {
            "os": system,
            "kernel": "6.12.58",
            "cpu": "AMD EPYC 4344P" if character.cores >= 8 else "Intel N100",
            "cores": str(character.cores),
            "memory": str(int(character.memory)),
            "architecture": "x86_64",
            "hostname": character.name,
            "addresses": f"192.0.2.{10 + len(character.name) * 3}",
            "boot_time": str(int(self.booted)),
        }
        if character.nixos:
            said |= {"generation": "214", "system": "/nix/store/kq3…-nixos-system", "revision": "1a2b3c4d5e6f7a8b"}
        if character.name == "borea":
            said |= {"needs_reboot": "kernel, kernel modules", "current_kernel": "6.12.60", "booted_kernel": "6.12.58"}
        return said

    def events(self, now: float) -> dict[float, pb.Event]:
        """What happened to it, by when."""
        if not self.character.nixos:
            return {}
        moment = now - 2100 - 40 * len(self.character.name)
        message = f"{self.character.name}: generation 214 (revision 1a2b3c4d) was activated, after 213"
        fields = {"generation": "214", "previous_generation": "213", "revision": "1a2b3c4d5e6f7a8b"}
        return {
            moment: pb.Event(
                kind="system.activated",
                severity=pb.SEVERITY_INFO,
                time_us=int(moment * 1e6),
                message=message,
                fields=fields,
            )
        }


Maker = Callable[[PretendMachine, str, float, float], float]


def _noisy(machine: PretendMachine, level: float, share: float = 0.08) -> float:
    return max(0.0, level * machine.rng.gauss(1, share))


def _core(machine: PretendMachine, instance: str, moment: float, load: float) -> float:
    lean = 1 + 0.5 * math.sin(int(instance) * 1.7 + moment / 900)
    return max(0.0, min(100.0, load * lean + machine.rng.gauss(0, 3)))


def _used(machine: PretendMachine, _instance: str, moment: float, load: float) -> float:
    leak = (moment % 40000) / 40000 * 0.12
    return machine.character.memory * min(0.96, 0.31 + leak + load / 900)


def _mount(machine: PretendMachine, instance: str, moment: float, _load: float) -> float:
    full = machine.character.full
    share = {"/": full * 0.55, "/srv": full}.get(instance, full * 0.8)
    return min(99.0, share + (moment % 86400) / 86400 * 0.4)


def _disk(scale: float) -> Maker:
    def make(machine: PretendMachine, instance: str, _moment: float, load: float) -> float:
        return _noisy(machine, load * scale * (1.0 if instance == "nvme0n1" else 0.3), 0.3)

    return make


_MAKERS: dict[str, Maker] = {
    "cpu.percent": lambda _m, _i, _t, load: load,
    "cpu.user": lambda _m, _i, _t, load: load * 0.68,
    "cpu.system": lambda _m, _i, _t, load: load * 0.22,
    "cpu.iowait": lambda _m, _i, _t, load: load * 0.08,
    "cpu.steal": lambda _m, _i, _t, load: load * 0.02,
    "cpu.core_percent": _core,
    "memory.total": lambda m, _i, _t, _l: m.character.memory,
    "memory.used": _used,
    "memory.percent": lambda m, i, t, load: 100 * _used(m, i, t, load) / m.character.memory,
    "memory.available": lambda m, i, t, load: m.character.memory - _used(m, i, t, load),
    "memory.cached": lambda m, i, t, load: 0.72 * (m.character.memory - _used(m, i, t, load)),
    "memory.swap_total": lambda m, _i, _t, _l: m.character.memory / 8,
    "memory.swap_used": lambda m, _i, t, _l: m.character.memory / 8 * (0.05 + (t % 40000) / 400000),
    "filesystem.percent": _mount,
    "filesystem.inodes_percent": lambda m, i, t, load: _mount(m, i, t, load) / 6,
    "disk.read": _disk(0.11 * MIB),
    "disk.written": _disk(0.25 * MIB),
    "disk.busy": _disk(0.6),
    "network.received": lambda m, _i, _t, load: _noisy(m, m.character.traffic * (0.3 + load / 60), 0.2),
    "network.sent": lambda m, _i, _t, load: _noisy(m, m.character.traffic * (0.5 + load / 40), 0.2),
    "network.connections": lambda m, _i, _t, load: round(_noisy(m, 60 + load * 8)),
    "network.tcp_established": lambda m, _i, _t, load: round(_noisy(m, 30 + load * 5)),
    "system.processes": lambda m, _i, _t, load: round(220 + load * 2 + m.rng.gauss(0, 4)),
    "system.load1": lambda m, _i, _t, load: _noisy(m, load / 100 * m.character.cores * 1.1),
    "system.load5": lambda m, _i, _t, load: _noisy(m, load / 100 * m.character.cores, 0.03),
    "system.load15": lambda m, _i, _t, load: _noisy(m, load / 100 * m.character.cores * 0.95, 0.02),
    "system.uptime": lambda m, _i, t, _l: t - m.booted,
    "system.context_switches": lambda m, _i, _t, load: _noisy(m, 2500 + load * 420),
    "pressure.cpu_some": lambda m, _i, _t, load: _noisy(m, max(0.0, load - 55) / 2, 0.4),
    "pressure.io_some": lambda m, _i, _t, load: _noisy(m, load / 25, 0.6),
    "pressure.io_full": lambda m, _i, _t, load: _noisy(m, load / 40, 0.6),
    "probe.success": lambda _m, _i, _t, _l: 1.0,
    "probe.duration": lambda m, i, _t, _l: _noisy(m, 0.00004 * (1 + PROBES.index(i)), 0.2),
}


class Telling:
    """One machine's call: what it sends is stored before the next is sent."""

    def __init__(self, machine: PretendMachine, call: Call) -> None:
        self._machine = machine
        self._call = call
        self._sealer, self._unsealer = Sealer(), Unsealer(pb.AggregatorMessage)
        self._allowed = self._sent = self._stored = 0

    async def greet(self) -> None:
        """Say who it is."""
        character = self._machine.character
        hello = pb.Hello(machine=character.name, stream=os.urandom(16), interval_seconds=INTERVAL_SECONDS)
        hello.agent_version, hello.tags[:] = "0.1.0", character.tags
        hello.facts.update(self._machine.facts())
        await self._write(pb.CollectorMessage(hello=hello))
        while not self._allowed:
            await self._hear()

    async def tell(self, frames: list[pb.Frame]) -> None:
        """Send them, as many at a time as the hub takes."""
        while frames:
            batch, frames = frames[: self._allowed], frames[self._allowed :]
            for frame in batch:
                self._sent += 1
                frame.seq = self._sent
            await self._write(pb.CollectorMessage(batch=pb.Batch(frames=batch, sent_us=time.time_ns() // 1000)))
            while self._stored < self._sent:
                await self._hear()

    async def _write(self, message: pb.CollectorMessage) -> None:
        await self._call.write(self._sealer.seal(message))

    async def _hear(self) -> None:
        sealed = await self._call.read()
        if not isinstance(sealed, pb.Sealed):  # grpc.aio.EOF
            raise EOFError(f"{self._machine.character.name}: the hub ended the call: {await self._call.details()}")  # noqa: TRY004
        said = self._unsealer.unseal(sealed)
        if said.HasField("need_layout"):
            await self._write(pb.CollectorMessage(layout=layout_to_wire(self._machine.layout)))
        elif said.HasField("welcome"):
            self._allowed = said.welcome.frames_per_batch
        elif said.HasField("ack"):
            self._allowed, self._stored = said.ack.frames_per_batch, said.ack.durable_seq


async def _tell(machine: PretendMachine, address: str, hours: float) -> None:
    """Send the past, then a sample each interval, until cancelled or silent."""
    async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        telling = Telling(machine, rpc.IngestStub(channel).Ingest())
        await telling.greet()
        now = time.time()
        start = now - hours * 3600 + machine.rng.uniform(0, INTERVAL_SECONDS)
        await telling.tell(list(_past(machine, start, now)))
        moment, last = now, now + SILENT_AFTER_SECONDS if machine.character.silent else math.inf
        while moment < last:
            moment += INTERVAL_SECONDS
            await asyncio.sleep(max(0.0, moment - time.time()))
            await telling.tell([_frame(machine, moment, [])])
        await asyncio.Event().wait()


def _past(machine: PretendMachine, start: float, now: float) -> Iterator[pb.Frame]:
    """Its samples from `start` to now, with what happened meanwhile."""
    character, events = machine.character, machine.events(now)
    gap_from, gap_to = (now - edge for edge in character.gap)
    for number in range(int((now - start) / INTERVAL_SECONDS)):
        moment = start + number * INTERVAL_SECONDS
        if gap_from < moment < gap_to:
            continue
        happened = [events.pop(at) for at in list(events) if at <= moment]
        yield _frame(machine, moment, happened)


def _frame(machine: PretendMachine, moment: float, events: list[pb.Event]) -> pb.Frame:
    values = machine.values(moment)
    return pb.Frame(time_us=int(moment * 1e6), layout_id=machine.layout.id, values=values, events=events)


async def _tell_all(address: str, hours: float) -> None:
    async with asyncio.TaskGroup() as tasks:
        for character in FLEET:
            tasks.create_task(_tell(PretendMachine(character), address, hours))


def _run(address: str, hours: float) -> None:
    asyncio.run(_tell_all(address, hours))


@contextmanager
def pretend_fleet(address: str, hours: float) -> Iterator[None]:
    """Have the fleet tell the aggregator at this address of its last hours, and go on, from a process of its own."""
    process = get_context("spawn").Process(target=_run, args=(address, hours), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()
