"""What this collector says of itself to hubs: anew when its settings have changed, or what is to be known of it."""

from __future__ import annotations

from dataclasses import dataclass

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import __version__
from sysmonstm.collectord.settings import CollectorSettings
from sysmonstm.collectord.trust import Trust
from sysmonstm.collectord.uplink import Uplink


def hello(settings: CollectorSettings, facts: dict[str, str]) -> pb.Hello:
    """The introduction, but for the stream."""
    return pb.Hello(
        machine=settings.machine_id,
        interval_seconds=settings.collection_interval,
        agent_version=__version__,
        facts=facts,
        tags=settings.tags,
    )


@dataclass(slots=True)
class Introduction:
    """As it was said last. Whoever is connected is told of a change by a connection that is made anew."""

    uplink: Uplink
    settings: CollectorSettings
    trust: Trust | None
    facts: dict[str, str]

    def heed(self, settings: CollectorSettings, trust: Trust | None) -> None:
        """The settings are others, perhaps."""
        self.settings, self.trust = settings, trust
        self._say()

    def learn(self, facts: dict[str, str]) -> None:
        """What is to be known of the machine is something else, perhaps."""
        self.facts = facts
        self._say()

    def _say(self) -> None:
        self.uplink.renew(hello(self.settings, self.facts), self.settings.aggregator_url, self.trust)
