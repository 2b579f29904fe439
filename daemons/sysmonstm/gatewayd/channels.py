"""All channels: one for each subscription that some client has, gone with the last of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from weakref import WeakSet, WeakValueDictionary

from sysmonstm.gatewayd.channel import Channel
from sysmonstm.gatewayd.client import Client
from sysmonstm.gatewayd.counts import Counts
from sysmonstm.gatewayd.picture import Picture
from sysmonstm.gatewayd.subscription import EVERYTHING, Subscription
from sysmonstm.gatewayd.texts import Texts

# A channel of a whole fleet costs milliseconds of CPU a second, by how many metrics it shows, and megabytes, however
# few listen: these many at most, so that nobody can have the gateway make one for each of many clients. Those of few
# machines cost little each, though a sample is written anew for every one that shows it.
MAX_WIDE = 32


class Channels:
    """The channels by subscription, and by the machines that they show."""

    def __init__(self, picture: Picture, counts: Counts) -> None:
        self._picture = picture
        self._counts = counts
        self._all: dict[Subscription, Channel] = {}
        self._wide: set[Channel] = set()
        self._narrow: defaultdict[str, set[Channel]] = defaultdict(set)
        # A channel holds on to its own. Those of whole fleets are shared, by metrics; others would come to remember a
        # whole fleet too, as one client after the other asks for few machines of it.
        self._texts: WeakSet[Texts] = WeakSet()
        self._wide_texts: WeakValueDictionary[frozenset[str] | None, Texts] = WeakValueDictionary()

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
        for texts in self._texts:
            if name is None:
                texts.forget()
            else:
                texts.forget_machine(name)

    def _make(self, subscription: Subscription) -> Channel:
        if not subscription.narrow and subscription != EVERYTHING and len(self._wide) >= MAX_WIDE:
            raise ValueError(
                f"{MAX_WIDE} different subscriptions to many machines are followed already; ask for few, or for all"
            )
        texts = self._texts_for(subscription)
        channel = self._all[subscription] = Channel(subscription, self._picture, texts, self._counts)
        if subscription.narrow:
            for name in subscription.machines or ():
                self._narrow[name].add(channel)
        else:
            self._wide.add(channel)
        return channel

    def _texts_for(self, subscription: Subscription) -> Texts:
        metrics = subscription.metrics
        texts = None if subscription.narrow else self._wide_texts.get(metrics)
        if texts is None:
            texts = Texts(self._picture.fleet, metrics)
            self._texts.add(texts)
            if not subscription.narrow:
                self._wide_texts[metrics] = texts
        return texts

    def _drop(self, channel: Channel) -> None:
        del self._all[channel.subscription]
        self._wide.discard(channel)
        if channel.subscription.narrow:
            for name in channel.subscription.machines or ():
                self._narrow[name].discard(channel)
                if not self._narrow[name]:
                    del self._narrow[name]
