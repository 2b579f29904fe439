"""All channels: one for each subscription that some client has, gone with the last of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from weakref import WeakValueDictionary

from sysmonstm.gatewayd.channel import Channel
from sysmonstm.gatewayd.client import Client
from sysmonstm.gatewayd.counts import Counts
from sysmonstm.gatewayd.picture import Picture
from sysmonstm.gatewayd.subscription import EVERYTHING, Subscription
from sysmonstm.gatewayd.texts import Texts

# A channel of a whole fleet costs milliseconds a second and megabytes, however few listen: these many at most, so that
# nobody can have the gateway make one for each of many clients. Those of few machines cost next to nothing.
MAX_WIDE = 64


class Channels:
    """The channels by subscription, and by the machines that they show."""

    def __init__(self, picture: Picture, counts: Counts) -> None:
        self._picture = picture
        self._counts = counts
        self._all: dict[Subscription, Channel] = {}
        self._wide: set[Channel] = set()
        self._narrow: defaultdict[str, set[Channel]] = defaultdict(set)
        # By metrics. A channel holds on to its own.
        self._texts: WeakValueDictionary[frozenset[str] | None, Texts] = WeakValueDictionary()

    def __iter__(self) -> Iterator[Channel]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def move(self, client: Client, subscription: Subscription) -> None:
        """Have the client hear this channel, and no other; ValueError, which says why, if there can be no such one."""
        channel = self._all.get(subscription) or self._make(subscription)
        if client.channel is not channel:
            self.leave(client)
            channel.clients.add(client)
            client.channel = channel

    def leave(self, client: Client) -> None:
        """Have the client hear nothing more."""
        channel, client.channel = client.channel, None
        if channel:
            channel.clients.discard(client)
            if not channel.clients:
                self._drop(channel)

    def wanting(self, names: Collection[str]) -> Iterator[tuple[Channel, list[str]]]:
        """The channels that show any of these machines, each with those that it shows."""
        for channel in self._wide:
            if wanted := [name for name in names if channel.wants(name)]:
                yield channel, wanted
        narrow: defaultdict[Channel, list[str]] = defaultdict(list)
        for name in names:
            for channel in self._narrow.get(name, ()):
                narrow[channel].append(name)
        yield from narrow.items()

    def forget_texts(self, name: str | None = None) -> None:
        """A machine is no more, or with None the fleet was read anew."""
        for texts in self._texts.values():
            if name is None:
                texts.forget()
            else:
                texts.forget_machine(name)

    def _make(self, subscription: Subscription) -> Channel:
        if not subscription.narrow and subscription != EVERYTHING and len(self._wide) >= MAX_WIDE:
            raise ValueError(
                f"{MAX_WIDE} different subscriptions to many machines are followed already; ask for few, or for all"
            )
        texts = self._texts.get(subscription.metrics)
        if texts is None:
            texts = self._texts[subscription.metrics] = Texts(self._picture.fleet, subscription.metrics)
        channel = self._all[subscription] = Channel(subscription, self._picture, texts, self._counts)
        if subscription.narrow:
            for name in subscription.machines or ():
                self._narrow[name].add(channel)
        else:
            self._wide.add(channel)
        return channel

    def _drop(self, channel: Channel) -> None:
        del self._all[channel.subscription]
        self._wide.discard(channel)
        if channel.subscription.narrow:
            for name in channel.subscription.machines or ():
                self._narrow[name].discard(channel)
                if not self._narrow[name]:
                    del self._narrow[name]
