"""A WebSocket client: is sent what is said as long as it takes it, and then only what is newest once it can again."""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from sysmonstm.gatewayd.counts import Counts
from sysmonstm.gatewayd.messages import IN_SNAPSHOT, Bundle, Message, message

if TYPE_CHECKING:
    from sysmonstm.gatewayd.channel import Channel

# With more than this unsent, a snapshot says it shorter.
MAX_NOTICES = 1000
# A new picture, that is a snapshot, comes after so many seconds at the earliest, however often another is wished for.
PICTURE_SECONDS = 1.0
# When a fleet falls silent, who was behind has a short notice for each machine: these many go by one write.
MANY_CHARACTERS = 16 * 1024


class Line(Protocol):
    """The way to a client. It takes whatever is written; `full` is that what it has not sent yet is enough."""

    @property
    def deflates(self) -> bool:
        """Whether the client takes deflated messages."""

    @property
    def full(self) -> bool:
        """Whether nothing more should be written until it has been drained."""

    @property
    def buffered(self) -> int:
        """How many bytes are kept for this client alone."""

    def write(self, frames: bytes) -> None:
        """Send whole frames after all that was written before."""


@dataclass(eq=False, slots=True)
class Client:
    """A WebSocket client, and what it has yet to be sent: bounded, for only the latest of each thing is kept.

    One that is `behind` is sent nothing until its line is drained; `wake` is set for whoever drains it. Meanwhile
    `notices` are kept for it, by what they are about. Of samples it misses all that its channel said after `turn`.
    """

    line: Line
    counts: Counts
    channel: Channel | None = None
    turn: int = 0
    snapshot_due: bool = True
    # Monotonic, in seconds.
    pictured_at: float = -PICTURE_SECONDS
    behind: bool = True
    notices: dict[tuple[str, str], Message] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, bundle: Bundle) -> None:
        """Send messages, or keep each of them instead of an unsent one of the same type about the same."""
        if self.behind:
            for one in bundle.messages:
                self._keep(one)
        else:
            self._write(bundle.frames(deflated=self.line.deflates), len(bundle.messages))

    def send(self, one: Message) -> None:
        """Send a message, which is its turn."""
        self._write(one.frame(deflated=self.line.deflates), 1)

    def send_picture(self, messages: Iterable[Message], now: float) -> None:
        """Send a snapshot and what was said since, at once: it is bounded, and all of it belongs together."""
        self.snapshot_due = False
        self.pictured_at = now
        # One by one: joined they would be another copy for each client.
        for one in messages:
            self.line.write(one.frame(deflated=self.line.deflates))
            self.counts.websocket_messages += 1
        if self.line.full:
            self._fall_behind()

    def recall(self, known: Container[str]) -> None:
        """Do not tell that machines are no more which have come back."""
        for kind, about in list(self.notices):
            if kind == "forgotten" and about in known:
                del self.notices[kind, about]

    def picture_in(self, now: float) -> float:
        """In how many seconds it may be sent what it is due; 0 if now."""
        return max(self.pictured_at + PICTURE_SECONDS - now, 0.0) if self.snapshot_due else 0.0

    def send_notices(self) -> None:
        """Send what was kept, for as long as there is room for it."""
        while self.notices and not self.behind:
            together, characters = [], 0
            while self.notices and characters < MANY_CHARACTERS:
                one = self.notices.pop(next(iter(self.notices)))
                together.append(one)
                characters += len(one.text)
            self.tell(Bundle(together))

    def forget(self, name: str, forgotten: Bundle) -> None:
        """Have it told that a machine is no more, instead of what it has yet to be told of it."""
        for kind in ("machine", "state", "forgotten"):
            self.notices.pop((kind, name), None)
        self.tell(forgotten)

    def resync(self) -> None:
        """Have a snapshot sent instead of all that it will say."""
        self.snapshot_due = True
        self.notices = {key: one for key, one in self.notices.items() if not self._in_snapshot(key[0])}
        self._fall_behind()

    def complain(self, detail: str) -> None:
        """Tell it what was wrong with what it said."""
        self.tell(Bundle([message("error", detail=detail)]))

    def _write(self, frames: bytes, messages: int) -> None:
        self.line.write(frames)
        self.counts.websocket_messages += messages
        if self.line.full:
            self._fall_behind()

    def _fall_behind(self) -> None:
        self.behind = True
        self.wake.set()

    def _in_snapshot(self, kind: str) -> bool:
        """Whether a snapshot says what such a message would; one of some machines not that others are no more."""
        if kind == "forgotten" and self.channel and self.channel.subscription.machines is not None:
            return False
        return kind in IN_SNAPSHOT

    def _keep(self, one: Message) -> None:
        if self.snapshot_due and self._in_snapshot(one.kind):
            return
        key = (one.kind, one.about)
        if one.kind != "layout":  # which stays what it was, and what was kept after it needs it
            self.notices.pop(key, None)
        self.notices.setdefault(key, one)
        if len(self.notices) > MAX_NOTICES:
            self.resync()
        if len(self.notices) > MAX_NOTICES:
            del self.notices[next(iter(self.notices))]
            self.counts.websocket_events_lost += 1
