"""Follows the bus and hands every WebSocket client what changed: at once to who can take it, merged for who cannot."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from redis.asyncio import Redis

from sysmonstm import bus, logs
from sysmonstm.bus import Changes, Fleet, State
from sysmonstm.gatewayd.texts import Texts, frames_message, message
from sysmonstm.service import Service

TICK_SECONDS = 1.0
BEAT_SECONDS = 3.0
# Every client hears from us at least so often, and so can tell a quiet fleet from a dead link.
CLIENT_BEAT_SECONDS = 5.0
LEEWAY_SECONDS = 1.0
MAX_CLIENTS = 1000
# With more than this unsent, a snapshot says it shorter.
MAX_NOTICES = 1000
# The types of message that a snapshot makes needless.
IN_SNAPSHOT = frozenset({"layout", "machine", "state", "live", "forgotten"})

log = logs.logger(__name__)


@dataclass(slots=True)
class Counts:
    """What /metrics says of the gateway itself, since it started."""

    requests: int = 0
    failures: int = 0
    bus_away: int = 0
    websocket_messages: int = 0
    websocket_frames_skipped: int = 0
    websocket_events_lost: int = 0
    websocket_clients_dropped: int = 0


@dataclass(eq=False, slots=True)
class Client:
    """A WebSocket client, and what it has yet to be sent: bounded, for only the latest of each thing is kept.

    `machines` None is all of them. `notices` are messages by what they are about; `frames` samples by machine.
    """

    counts: Counts
    machines: frozenset[str] | None = None
    snapshot_due: bool = True
    layouts: set[bytes] = field(default_factory=set)
    notices: dict[tuple[str, str], str] = field(default_factory=dict)
    frames: dict[str, str] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def wants(self, name: str) -> bool:
        """Whether it asked for this machine."""
        return self.machines is None or name in self.machines

    def notify(self, kind: str, about: str, text: str) -> None:
        """Have a message sent, instead of an unsent one of the same type about the same."""
        if self.snapshot_due and kind in IN_SNAPSHOT:
            return
        self.notices[(kind, about)] = text
        if len(self.notices) > MAX_NOTICES:
            self.resync()
        if len(self.notices) > MAX_NOTICES:
            del self.notices[next(iter(self.notices))]
            self.counts.websocket_events_lost += 1
        self.wake.set()

    def forget(self, name: str) -> None:
        """Have it told that a machine is no more, instead of what it has yet to be told of it."""
        self.frames.pop(name, None)
        for kind in ("machine", "state", "forgotten"):
            self.notices.pop((kind, name), None)
        self.notify("forgotten", name, message("forgotten", machines=[name]))

    def resync(self) -> None:
        """Have a snapshot sent instead of all that it will say."""
        self.snapshot_due = True
        self.notices = {key: text for key, text in self.notices.items() if key[0] not in IN_SNAPSHOT}
        self.frames.clear()
        self.wake.set()


class Hub:
    """The fleet as the bus has it, and everybody who watches it live."""

    def __init__(self, counts: Counts) -> None:
        self.fleet = Fleet()
        self.counts = counts
        self.clients: set[Client] = set()
        # Monotonic, in seconds: when an aggregator was last heard. At first each has a moment to speak up.
        self.heard_at = time.monotonic()
        # Set once Redis has said what the fleet is, or that it cannot be reached.
        self.informed = asyncio.Event()
        self._texts = Texts(self.fleet)
        self._states: dict[str, State] = {}
        # While Redis is away nobody knows who is silent: states stay as they were then.
        self._away_us: int | None = 0
        self._away_reason = "Redis has not answered yet"

    @property
    def live(self) -> bool:
        """Whether the fleet is as Redis has it now."""
        return self._away_us is None

    def state(self, name: str) -> State:
        """A machine's state; while Redis is away, as it was last known."""
        now_us = time.time_ns() // 1000 if self._away_us is None else self._away_us
        return self.fleet.machines[name].state(now_us)

    async def follow(self, redis: Redis, service: Service) -> None:
        """Take in what the bus says, for ever."""
        async for update in bus.follow(redis, self.fleet, partial(service.beat, "bus")):
            match update:
                case bus.Snapshot():
                    self._renew()
                case Changes():
                    self._change(update)
                case bus.Event(fields):
                    self._broadcast("event", str(fields.get("id")), message("event", event=fields))
                case bus.Away():
                    self._away(update)
            self.informed.set()

    async def tick(self, service: Service) -> None:
        """Tell changes of state, and the service manager how it goes, for ever."""
        while True:
            service.beat("state ticker", BEAT_SECONDS)
            self.tell_states(self.fleet.machines)
            service.status(self.status())
            await asyncio.sleep(TICK_SECONDS)

    async def beat(self, service: Service) -> None:
        """Let every client know that the link and the gateway live, for ever."""
        while True:
            self._broadcast("beat", "", message("beat", time=time.time()))
            service.beat("client beat", CLIENT_BEAT_SECONDS + LEEWAY_SECONDS)
            await asyncio.sleep(CLIENT_BEAT_SECONDS)

    def status(self) -> str:
        """One line: how many machines and browsers there are."""
        return f"{_count(len(self.fleet.machines), 'machine')}, {_count(len(self.clients), 'browser')}"

    def tell_states(self, names: Iterable[str]) -> None:
        """Tell everybody of those machines whose state is not what they were told."""
        for name in names:
            state = self.state(name)
            if self._states.get(name) != state:
                self._states[name] = state
                self._broadcast("state", name, message("state", machine=name, state=state), about_machine=True)

    def take(self, client: Client) -> list[str]:
        """What the client is to be sent now, in order."""
        client.wake.clear()
        messages = [self._snapshot(client)] if client.snapshot_due else []
        client.snapshot_due = False
        messages += client.notices.values()
        if client.frames:
            messages.append(frames_message(client.frames.values()))
        client.notices.clear()
        client.frames.clear()
        return messages

    def heed(self, client: Client, text: str) -> None:
        """Do what the client asks for, or tell it why not."""
        try:
            client.machines = _subscription(text)
        except ValueError as error:
            client.notify("error", "", message("error", detail=str(error)))
        else:
            client.resync()

    def _renew(self) -> None:
        if self._away_us:
            log.info("redis.back", "Redis is back; the fleet has been read anew")
        self._away_us = None
        self._texts.forget()
        self._states = {name: self.state(name) for name in self.fleet.machines}
        for client in self.clients:
            client.resync()

    def _away(self, away: bus.Away) -> None:
        if not self._away_us:
            self._away_us = time.time_ns() // 1000
            self.counts.bus_away += 1
        self._away_reason = away.reason
        log.warning("redis.away", f"the fleet is shown as it was: {away.reason}", detail=away.detail)
        self._broadcast("live", "", message("live", live=False, reason=away.reason))

    def _change(self, changes: Changes) -> None:
        self.heard_at = time.monotonic()
        for name in changes.forgotten:
            self._forget(name)
        names = [frame.machine for frame in changes.frames]
        for hello in changes.hellos:
            self._introduce(hello.machine)
        # A silent machine is up again before its sample is shown.
        self.tell_states(names)
        if self.clients and names:
            samples = {name: self._texts.frame(name) for name in names}
            for client in self.clients:
                self._offer(client, samples)

    def _forget(self, name: str) -> None:
        """Everybody is told, whatever they subscribed to: who did not ask for it now may have it from before."""
        self._states.pop(name, None)
        self._texts.forget_machine(name)
        for client in self.clients:
            client.forget(name)

    def _introduce(self, name: str) -> None:
        state = self._states[name] = self.state(name)
        text = f'{{"type":"machine",{self._texts.machine(name, state)}}}'
        for client in self.clients:
            if client.wants(name):
                self._name_layouts(client, [name])
                client.notify("machine", name, text)

    def _offer(self, client: Client, samples: dict[str, str]) -> None:
        if client.snapshot_due:
            return  # it will hold them
        if client.machines is not None:
            samples = {name: text for name, text in samples.items() if name in client.machines}
        if not samples:
            return
        self._name_layouts(client, samples)
        self.counts.websocket_frames_skipped += len(client.frames.keys() & samples.keys())
        client.frames.update(samples)
        client.wake.set()

    def _name_layouts(self, client: Client, names: Iterable[str]) -> None:
        """Have the layouts of these machines' samples sent before them, unless the client has them."""
        frames = (self.fleet.machines[name].frame for name in names)
        for layout_id in {frame.frame.layout_id for frame in frames if frame} - client.layouts:
            client.layouts.add(layout_id)
            text = f'{{"type":"layout","id":"{layout_id.hex()}","series":{self._texts.layout(layout_id)}}}'
            client.notify("layout", layout_id.hex(), text)

    def _broadcast(self, kind: str, about: str, text: str, *, about_machine: bool = False) -> None:
        for client in self.clients:
            if not about_machine or client.wants(about):
                client.notify(kind, about, text)

    def _snapshot(self, client: Client) -> str:
        names = [name for name in sorted(self.fleet.machines) if client.wants(name)]
        frames = (self.fleet.machines[name].frame for name in names)
        client.layouts = {frame.frame.layout_id for frame in frames if frame}
        layouts = ",".join(f'"{one.hex()}":{self._texts.layout(one)}' for one in client.layouts)
        machines = ",".join(f"{{{self._texts.machine(name, self.state(name))}}}" for name in names)
        live = '"live":true' if self.live else f'"live":false,"reason":{json.dumps(self._away_reason)}'
        return f'{{"type":"snapshot","time":{time.time()},{live},"layouts":{{{layouts}}},"machines":[{machines}]}}'


def _subscription(text: str) -> frozenset[str] | None:
    """The machines that a client asks for; ValueError if it asks for nothing that there is."""
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("this is not JSON") from None
    if not isinstance(asked, dict) or asked.get("type") != "subscribe":
        raise ValueError('the only message is {"type":"subscribe","machines":["web1"]}, or "machines":null for all')
    machines = asked.get("machines")
    if machines is None:
        return None
    if not isinstance(machines, list) or not all(isinstance(name, str) for name in machines):
        raise ValueError('"machines" is a list of names, or null for all')
    return frozenset(machines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
