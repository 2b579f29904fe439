"""Follows the bus and has every WebSocket client told what changed, through the channel that it hears."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from functools import partial

from redis.asyncio import Redis

from sysmonstm import bus, logs
from sysmonstm.bus import Changes, Fleet, State
from sysmonstm.gatewayd import subscription
from sysmonstm.gatewayd.backlog import Backlog
from sysmonstm.gatewayd.channels import Channels
from sysmonstm.gatewayd.client import Client
from sysmonstm.gatewayd.counts import Counts
from sysmonstm.gatewayd.messages import Message, beat, message
from sysmonstm.gatewayd.picture import Picture
from sysmonstm.gatewayd.subscription import EVERYTHING, Subscription
from sysmonstm.service import Service

TICK_SECONDS = 1.0
BEAT_SECONDS = 3.0
# Every client hears from us at least so often, and so can tell a quiet fleet from a dead link.
CLIENT_BEAT_SECONDS = 5.0
LEEWAY_SECONDS = 1.0
MAX_CLIENTS = 2000

log = logs.logger(__name__)


class Hub:
    """The fleet as the bus has it, and everybody who watches it live."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self.backlog = Backlog(counts)
        self.picture = Picture()
        self.channels = Channels(self.picture, counts)
        self.clients: set[Client] = set()
        # Monotonic, in seconds: when an aggregator was last heard. At first each has a moment to speak up.
        self.heard_at = time.monotonic()
        # Set once Redis has said what the fleet is, or that it cannot be reached.
        self.informed = asyncio.Event()
        # What was told last of each machine.
        self._states: dict[str, State] = {}
        # As alertd has it, in seconds since 1970; None before it has said so.
        self._rules_since: float | None = None

    @property
    def fleet(self) -> Fleet:
        """Every machine and layout that the bus knows."""
        return self.picture.fleet

    @property
    def live(self) -> bool:
        """Whether the fleet is as Redis has it now."""
        return self.picture.live

    @property
    def unsent_bytes(self) -> int:
        """What slow clients have not taken yet; the kernel has more."""
        return self.backlog.octets + sum(client.line.buffered for client in self.clients)

    def state(self, name: str) -> State:
        """A machine's state; while Redis is away, as it was last known."""
        return self.picture.state(name)

    async def follow(self, redis: Redis, service: Service) -> None:
        """Take in what the bus says, for ever."""
        async for update in bus.follow(redis, self.fleet, partial(service.beat, "bus")):
            match update:
                case bus.Snapshot():
                    self._renew()
                case Changes():
                    self._change(update)
                case bus.Event(fields):
                    self._broadcast(message("event", str(fields.get("id")), event=fields))
                case bus.Away():
                    self._away(update)
            self.informed.set()

    async def tick(self, service: Service) -> None:
        """Tell changes of state and what was gathered, and the service manager how it goes, for ever."""
        while True:
            service.beat("state ticker", BEAT_SECONDS)
            self.tell_states(self.fleet.machines)
            for channel in self.channels:
                channel.flush()
            service.status(self.status())
            await asyncio.sleep(TICK_SECONDS)

    async def beat(self, service: Service) -> None:
        """Let every client know that the link and the gateway live, for ever."""
        while True:
            self._broadcast(beat())
            service.beat("client beat", CLIENT_BEAT_SECONDS + LEEWAY_SECONDS)
            await asyncio.sleep(CLIENT_BEAT_SECONDS)

    def status(self) -> str:
        """One line: how many machines and browsers there are."""
        return f"{_count(len(self.fleet.machines), 'machine')}, {_count(len(self.clients), 'browser')}"

    def tell_states(self, names: Iterable[str]) -> None:
        """Tell everybody of those machines whose state is not what they were told."""
        changed = {name: state for name in names if self._states.get(name) != (state := self.state(name))}
        if not changed:
            return
        self._states.update(changed)
        messages = {name: message("state", name, machine=name, state=state) for name, state in changed.items()}
        for channel, wanted in self.channels.wanting(messages):
            channel.say(messages[name] for name in wanted)

    def hear_of_rules(self, since: object) -> None:
        """Tell everybody if the rules for alerts have become others since this was last heard of them."""
        if not isinstance(since, float) or since == self._rules_since:
            return
        if self._rules_since is not None:
            self._broadcast(message("rules", since=since))
        self._rules_since = since

    def hear_of_alerting(self, unevaluated: str) -> None:
        """Tell everybody if alerts are evaluated no more, with the reason, or are again: ""."""
        if unevaluated != self.picture.unevaluated:
            self.picture.unevaluated = unevaluated
            self._broadcast(message("alerting", unevaluated=unevaluated))

    def join(self, client: Client, asked: Subscription) -> None:
        """Have a client hear what it asks for; everything, and why, if that cannot be."""
        self.clients.add(client)
        try:
            self.channels.move(client, asked)
        except ValueError as error:
            client.complain(str(error))
            self.channels.move(client, EVERYTHING)
        client.resync()

    def leave(self, client: Client) -> None:
        """A client is gone."""
        self.clients.discard(client)
        self.channels.leave(client)

    def heed(self, client: Client, text: str) -> None:
        """Do what the client asks for, or tell it why not."""
        try:
            self.channels.move(client, subscription.from_message(text))
        except ValueError as error:
            client.complain(str(error))
        else:
            client.resync()

    def _renew(self) -> None:
        if self.picture.away_us:
            log.info("redis.back", "Redis is back; the fleet has been read anew")
        self.picture.away_us = None
        self.channels.forget_texts()
        self._states = {name: self.state(name) for name in self.fleet.machines}
        for channel in self.channels:
            channel.resync()

    def _away(self, away: bus.Away) -> None:
        if not self.picture.away_us:
            self.picture.away_us = time.time_ns() // 1000
            self.counts.bus_away += 1
        self.picture.away_reason = away.reason
        log.warning("redis.away", f"the fleet is shown as it was: {away.reason}", detail=away.detail)
        self._broadcast(message("live", live=False, reason=away.reason))

    def _change(self, changes: Changes) -> None:
        self.heard_at = time.monotonic()
        for name in changes.forgotten:
            self._forget(name)
        self._introduce([hello.machine for hello in changes.hellos])
        names = [frame.machine for frame in changes.frames]
        # A silent machine is up again before its sample is shown.
        self.tell_states(names)
        for channel, wanted in self.channels.wanting(names):
            channel.offer(wanted)

    def _forget(self, name: str) -> None:
        self._states.pop(name, None)
        self.channels.forget_texts(name)
        forgotten = message("forgotten", name, machines=[name])
        for channel in self.channels:
            channel.forget(name, forgotten)

    def _introduce(self, names: list[str]) -> None:
        self._states.update((name, self.state(name)) for name in names)
        for channel, wanted in self.channels.wanting(names):
            channel.introduce(wanted)

    def _broadcast(self, one: Message) -> None:
        for channel in self.channels:
            channel.say([one])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
