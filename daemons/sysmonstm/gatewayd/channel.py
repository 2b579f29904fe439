"""What all clients with one subscription are told: each message is made once, whoever takes it and whoever is behind.

Samples are shown in turns, which are numbered. A channel of few machines has a turn as soon as one of them sends; one
of many gathers what comes between two flushes. Of each machine the channel knows the turn in which it was shown last,
and of each client the turn up to which it has all: what a client misses is the newest sample of every machine that was
shown later. So samples that are missed cost no memory, and those who missed the same are sent the same.
"""

from __future__ import annotations

import json
import time
from bisect import bisect_right
from collections.abc import Collection, Iterable

from sysmonstm.gatewayd.client import Client
from sysmonstm.gatewayd.counts import Counts
from sysmonstm.gatewayd.messages import IN_SNAPSHOT, Bundle, Message, beat
from sysmonstm.gatewayd.picture import Picture
from sysmonstm.gatewayd.subscription import FEW_MACHINES, Subscription
from sysmonstm.gatewayd.texts import Texts, frames_text

# Clients who come within this time get the same snapshot of many machines, and then what was said since it was made.
OPENING_SECONDS = 1.0
# If these are more messages, a new snapshot is shorter.
MAX_OPENING = 200
# What is kept of what clients have missed, for others who missed the same: each may have missed from another turn on.
MAX_MISSED_CHARACTERS = 4 * 1024 * 1024


class Channel:
    """The clients with one subscription, and what they have been told."""

    def __init__(self, subscription: Subscription, picture: Picture, texts: Texts, counts: Counts) -> None:
        """`texts` are those for the subscription's metrics."""
        self.subscription = subscription
        self.clients: set[Client] = set()
        self._picture = picture
        self._texts = texts
        self._counts = counts
        # Ids of the layouts that every client has, or will have before what is still to be sent.
        self._named: set[str] = set()
        # Machines whose newest sample waits for the next flush.
        self._gathered: dict[str, None] = {}
        self._turn = 0
        # The turn in which each machine came last.
        self._said: dict[str, int] = {}
        # And the one before.
        self._said_before: dict[str, int] = {}
        # What a client misses that has all up to a turn; from turn to turn.
        self._missed: dict[int, Message | None] = {}
        self._missed_characters = 0
        # A snapshot and what was said since; empty if none is as new as it must be.
        self._opening: list[Message] = []
        self._opened_at = 0.0

    @property
    def _of_many(self) -> bool:
        """Whether it shows so many machines that they are shown, and snapshots of them made, once a second at most."""
        machines = self.subscription.machines
        return len(self._picture.fleet.machines if machines is None else machines) > FEW_MACHINES

    def wants(self, name: str) -> bool:
        """Whether it shows this machine."""
        machines = self.subscription.machines
        return machines is None or name in machines

    def say(self, messages: Iterable[Message]) -> None:
        """Tell every client, at once or when it can take it."""
        bundle = Bundle(list(messages))
        self._record(bundle.messages)
        for client in self.clients:
            client.tell(bundle)

    def introduce(self, names: Collection[str]) -> None:
        """Tell of machines that came or said something else of themselves."""
        # Whoever is behind would be sent it after this, and it may hold older samples than this.
        self._forget_missed()
        self._name_layouts(names)
        texts = ((name, self._texts.machine(name, self._picture.state(name))) for name in names)
        self.say([Message("machine", name, f'{{"type":"machine",{text}}}') for name, text in texts])

    def offer(self, names: Collection[str]) -> None:
        """Show the newest samples of these machines, now or at the next flush."""
        self._name_layouts(names)
        if self._of_many:
            self._gathered.update(dict.fromkeys(names))
        else:
            self._show(names)

    def flush(self) -> None:
        """Show what was gathered; the next comes after a second. What is too old to be used again is let go of."""
        gathered, self._gathered = self._gathered, {}
        if gathered:
            self._show(gathered)
        self._forget_missed()
        if time.monotonic() - self._opened_at > OPENING_SECONDS:
            self._opening = []

    def forget(self, name: str, forgotten: Message) -> None:
        """A machine is no more. Everybody is told: who does not ask for it now may have it from before."""
        self._gathered.pop(name, None)
        self._said.pop(name, None)
        self._said_before.pop(name, None)
        self._forget_missed()
        bundle = Bundle([forgotten])
        self._record(bundle.messages)
        for client in self.clients:
            client.forget(name, bundle)

    def resync(self) -> None:
        """The fleet was read anew: have every client sent a snapshot."""
        self._turn += 1
        self._gathered = {}
        self._said.clear()
        self._said_before.clear()
        self._forget_missed()
        self._opening = []
        for client in self.clients:
            client.resync()

    def bring_up(self, client: Client) -> None:
        """Send a client whose line is drained what it misses. If it takes only a part of it, it is behind again."""
        client.behind = False
        if client.snapshot_due:
            client.turn = self._turn
            client.send_picture(self._open(), time.monotonic())
            client.recall(self._picture.fleet.machines)
        client.send_notices()
        if not client.behind and client.turn < self._turn:
            missed = self._missed_since(client.turn)
            client.turn = self._turn
            if missed:
                client.send(missed)

    def _show(self, names: Collection[str]) -> None:
        self._said_before.update((name, self._said.get(name, 0)) for name in names)
        before = sorted(self._said_before[name] for name in names)
        self._turn += 1
        self._said.update(dict.fromkeys(names, self._turn))
        self._forget_missed()
        in_step = [client for client in self.clients if not client.behind]
        for client in self.clients:
            if client.behind and not client.snapshot_due:
                self._counts.websocket_frames_skipped += len(before) - bisect_right(before, client.turn)
        # Where nobody would take it, no text is made.
        if not in_step and not self._opening:
            return
        frames = Message("frames", "", frames_text(map(self._texts.frame, names)))
        self._record([frames])
        for client in in_step:
            client.turn = self._turn
            client.send(frames)

    def _missed_since(self, turn: int) -> Message | None:
        if turn in self._missed:
            return self._missed[turn]
        names = [name for name, said in self._said.items() if said > turn]
        skipped = any(self._said_before[name] > turn for name in names)
        texts = frames_text(map(self._texts.frame, names), skipped=skipped)
        missed = Message("frames", "", texts) if names else None
        characters = len(missed.text) if missed else 0
        if self._missed_characters + characters <= MAX_MISSED_CHARACTERS:
            self._missed[turn] = missed
            self._missed_characters += characters
        return missed

    def _forget_missed(self) -> None:
        self._missed.clear()
        self._missed_characters = 0

    def _name_layouts(self, names: Iterable[str]) -> None:
        """Tell the layouts of these machines' samples before they are shown, unless the clients have them."""
        layouts = self._texts.layouts(names)
        new = layouts.keys() - self._named
        if new:
            self._named |= new
            texts = ((one, f'{{"type":"layout","id":"{one}","series":{layouts[one].series}}}') for one in new)
            self.say([Message("layout", one, text) for one, text in texts])

    def _record(self, messages: Iterable[Message]) -> None:
        """Have who comes next told what a snapshot that was made before does not hold, or have one made anew."""
        later = [one for one in messages if one.kind in IN_SNAPSHOT or one.kind == "frames"]
        if self._opening and later:
            keep = self._of_many and len(self._opening) + len(later) <= MAX_OPENING
            self._opening = self._opening + later if keep else []

    def _open(self) -> list[Message]:
        """All that a client must be sent to have what the others have."""
        now = time.monotonic()
        if not self._opening or now - self._opened_at > OPENING_SECONDS:
            self._opened_at = now
            self._opening = [Message("snapshot", "", self._snapshot())]
            return list(self._opening)
        # The snapshot tells the time when it was made; browsers go by the message that is least late.
        return [*self._opening, beat()]

    def _snapshot(self) -> str:
        machines, picture = self.subscription.machines, self._picture
        known = picture.fleet.machines
        names = sorted(known if machines is None else known.keys() & machines)
        layouts = self._texts.layouts(names)
        self._named = set(layouts)
        series = ",".join(f'"{one.id}":{one.series}' for one in layouts.values())
        shown = ",".join(f"{{{self._texts.machine(name, picture.state(name))}}}" for name in names)
        live = '"live":true' if picture.live else f'"live":false,"reason":{json.dumps(picture.away_reason)}'
        # A page that has just asked for other metrics can tell what is still about the ones before.
        metrics = self.subscription.metrics
        of = json.dumps(None if metrics is None else sorted(metrics))
        alerting = f'"unevaluated":{json.dumps(picture.unevaluated)}'
        head = f'"type":"snapshot","time":{time.time()},{live},{alerting},"metrics":{of}'
        return f'{{{head},"layouts":{{{series}}},"machines":[{shown}]}}'
