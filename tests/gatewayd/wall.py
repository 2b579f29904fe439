"""A hub without Redis whose machines a test plays, and browsers on lines that the test fills and drains."""

from __future__ import annotations

import secrets

from sysmon.v1 import bus_pb2, ingest_pb2
from sysmonstm.gatewayd.client import Client
from sysmonstm.gatewayd.counts import Counts
from sysmonstm.gatewayd.live import Hub
from sysmonstm.gatewayd.subscription import EVERYTHING, Subscription
from tests.gatewayd.fleet_publisher import LAYOUT, OTHER_LAYOUT, now_us
from tests.gatewayd.recording_line import RecordingLine

STREAM = secrets.token_bytes(16)


class Wall:
    """A hub with machines, and browsers on lines that tests fill and drain."""

    def __init__(self, *machines: str) -> None:
        self.hub = Hub(Counts())
        self.hub.picture.away_us = None
        self._seq = 0
        self.hub.fleet.layouts |= {LAYOUT.id: LAYOUT, OTHER_LAYOUT.id: OTHER_LAYOUT}
        for name in machines:
            self.hello(name)
            self.sample(name, 0.0)

    def hello(self, name: str, **facts: str) -> None:
        """A machine comes, or says something else of itself."""
        hello = ingest_pb2.Hello(machine=name, interval_seconds=5, facts=facts)
        self._publish(bus_pb2.LiveBatch(hellos=[hello.SerializeToString()]))

    def forget(self, name: str) -> None:
        """A machine is no more."""
        self._publish(bus_pb2.LiveBatch(forgotten=[name]))

    def sample(self, name: str, value: float, layout: bytes = LAYOUT.id) -> None:
        """A new sample; the value is its first."""
        self.samples({name: value}, layout)

    def samples(self, values: dict[str, float], layout: bytes = LAYOUT.id) -> None:
        """New samples that come by one publish."""
        raw = []
        for name, value in values.items():
            self._seq += 1
            frame = ingest_pb2.Frame(seq=self._seq, time_us=now_us(), layout_id=layout, values=[value, 1, 2, 3])
            live = bus_pb2.LiveFrame(machine=name, stream=STREAM, received_us=now_us(), frame=frame)
            raw.append(live.SerializeToString())
        self._publish(bus_pb2.LiveBatch(frames=raw))

    def _publish(self, batch: bus_pb2.LiveBatch) -> None:
        self.hub._change(self.hub.fleet.apply(batch))

    def flush(self) -> None:
        """As it is done once a second."""
        for channel in self.hub.channels:
            channel.flush()

    def browser(self, asked: Subscription = EVERYTHING, *, deflates: bool = False) -> tuple[Client, RecordingLine]:
        """One that has been let in and is not behind."""
        client = Client(line := RecordingLine(deflates=deflates), self.hub.counts)
        self.hub.join(client, asked)
        drain(client, line)
        return client, line


def drain(client: Client, line: RecordingLine) -> None:
    """Its line has room again."""
    line.full = False
    assert client.channel
    client.channel.bring_up(client)
