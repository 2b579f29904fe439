"""Whatever happens in whatever order, and whoever is slow: in the end each page shows what there is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable

import pytest

from sysmonstm.gatewayd import live
from sysmonstm.gatewayd.client import Client
from sysmonstm.gatewayd.subscription import EVERYTHING, FEW_MACHINES, Subscription
from sysmonstm.metric import Layout
from tests.gatewayd.fleet_publisher import LAYOUT, OTHER_LAYOUT, FleetPublisher
from tests.gatewayd.page_view import PageView, Reading
from tests.gatewayd.recording_line import RecordingLine
from tests.gatewayd.running_gateway import RunningGateway, Watcher, until
from tests.gatewayd.wall import Wall, drain

NAMES = [f"web{number:02}" for number in range(FEW_MACHINES + 6)]
# What happens to few machines happens to them often.
OFTEN = NAMES[:4]
METRICS = frozenset({"cpu.percent", "filesystem.percent"})
ASKED = (
    EVERYTHING,
    Subscription(None, METRICS),
    Subscription(frozenset(NAMES[:3])),
    Subscription(frozenset(NAMES[2:5]), METRICS),
    Subscription(frozenset(NAMES[1:]), frozenset()),
)


class Play:
    """Machines and browsers that do what chance says."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.wall = Wall(*NAMES[: self.chance.choice((2, len(NAMES)))])
        self.pages: list[tuple[Client, RecordingLine, PageView]] = []
        self.acts: tuple[Callable[[], None], ...] = (
            *[self.sample] * 6,
            *[self.hello] * 3,
            self.fall_silent,
            self.forget,
            self.wall.flush,
            *[self.come] * 2,
            self.leave,
            self.ask,
            *[self.fill] * 2,
            *[self.drain] * 3,
            self.renew,
        )

    def sample(self) -> None:
        known = list(self.wall.hub.fleet.machines)
        names = self.chance.sample(known, self.chance.randint(0, len(known)) // self.chance.choice((1, 10)))
        layout = self.chance.choice((LAYOUT, OTHER_LAYOUT)).id
        self.wall.samples({name: self.chance.randint(0, 999) for name in names}, layout)

    def hello(self) -> None:
        self.wall.hello(self.chance.choice(OFTEN), boot=str(self.chance.random()))

    def fall_silent(self) -> None:
        machine = self.wall.hub.fleet.machines.get(self.chance.choice(OFTEN))
        if machine and machine.frame:
            machine.frame.received_us -= 60_000_000
            self.wall.hub.tell_states([machine.hello.machine])

    def forget(self) -> None:
        self.wall.forget(self.chance.choice(OFTEN))

    def come(self) -> None:
        client = Client(line := RecordingLine(deflates=self.chance.random() < 0.5), self.wall.hub.counts)
        self.wall.hub.join(client, self.chance.choice(ASKED))
        self.pages.append((client, line, PageView()))

    def leave(self) -> None:
        if len(self.pages) > 4:
            client, _, _ = self.pages.pop(self.chance.randrange(len(self.pages)))
            self.wall.hub.leave(client)

    def ask(self) -> None:
        for client, _, _ in self.pages[:1]:
            self.wall.hub.channels.move(client, self.chance.choice(ASKED))
            client.resync()

    def fill(self) -> None:
        for _, line, _ in self.chance.sample(self.pages, len(self.pages) // 3):
            line.full = True

    def drain(self) -> None:
        for client, line, page in self.pages:
            for told in line.take():
                page.take(told)
            if client.behind and self.chance.random() < 0.5:
                drain(client, line)
                line.full = self.chance.random() < 0.3

    def renew(self) -> None:
        self.wall.hub._renew()

    def end(self) -> None:
        """Everybody takes all that there is."""
        self.wall.flush()
        for client, line, page in self.pages:
            drain(client, line)
            for told in line.take():
                page.take(told)


def shown(wall: Wall, asked: Subscription) -> dict[str, Reading]:
    """The values of the machines that were asked for, as the hub has them."""
    readings: dict[str, Reading] = {}
    for name, machine in wall.hub.fleet.machines.items():
        if machine.frame and (asked.machines is None or name in asked.machines):
            pairs = zip(wall.hub.fleet.layout(machine.frame).series, machine.frame.frame.values, strict=True)
            readings[name] = {
                (one.metric.name, one.instance): value
                for one, value in pairs
                if asked.metrics is None or one.metric.name in asked.metrics
            }
    return readings


def wanted(names: Iterable[str], asked: Subscription) -> set[str]:
    return {name for name in names if asked.machines is None or name in asked.machines}


@pytest.mark.parametrize("seed", range(150))
def test_in_the_end_each_page_shows_what_there_is(seed: int) -> None:
    play = Play(seed)
    for _ in range(120):
        play.chance.choice(play.acts)()
    play.end()
    machines = play.wall.hub.fleet.machines
    for client, _, page in play.pages:
        assert client.channel and not client.behind
        asked = client.channel.subscription
        names = wanted(machines, asked)
        assert page.states == {name: play.wall.hub.state(name) for name in names}
        assert page.facts == {name: dict(machines[name].hello.facts) for name in names}
        assert page.readings == shown(play.wall, asked)


def test_the_chance_of_the_tests_leaves_clients_behind_and_has_them_share_snapshots() -> None:
    skipped, shared = 0, 0
    for seed in range(20):
        play = Play(seed)
        for _ in range(120):
            play.chance.choice(play.acts)()
            shared += any(len(channel._opening) > 1 for channel in play.wall.hub.channels)
        skipped += play.wall.hub.counts.websocket_frames_skipped
    assert skipped > 20 and shared > 100


async def follow(watcher: Watcher, page: PageView) -> None:
    while True:
        page.take(await watcher.next())


async def test_pages_that_come_while_all_changes_show_what_there_is(
    gateway: RunningGateway, publisher: FleetPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "TICK_SECONDS", 0.05)
    chance = random.Random(5)
    for name in NAMES:
        publisher.show(name, [0, 0, 0, 0])
    publisher.publish(layouts=[OTHER_LAYOUT])
    await gateway.knows(*NAMES)
    values: dict[str, tuple[Layout, list[float]]] = {}
    pages: list[PageView] = []
    async with asyncio.TaskGroup() as group:
        following = []

        async def open_page(number: int) -> None:
            query = "?metrics=cpu.percent,filesystem.percent" if number % 2 else ""
            async with gateway.watch(query, compress=15 * (number % 3 == 0)) as watcher:
                pages.append(page := PageView())
                await follow(watcher, page)

        for number in range(200):
            name, layout = chance.choice(NAMES), chance.choice((LAYOUT, OTHER_LAYOUT))
            values[name] = (layout, [float(chance.randint(0, 999)) for _ in range(4)])
            publisher.sample(name, values[name][1], layout)
            if number % 10 == 0:
                following.append(group.create_task(open_page(number // 10)))
            await asyncio.sleep(0.002)

        def whole(page: PageView) -> bool:
            cpu = {name: row[0 if layout is LAYOUT else 3] for name, (layout, row) in values.items()}
            mine = {name: reading.get(("cpu.percent", "")) for name, reading in page.readings.items()}
            return mine == dict.fromkeys(NAMES, 0) | cpu

        await until(lambda: len(pages) == 20 and all(map(whole, pages)))
        assert len({len(page.readings[NAMES[0]]) for page in pages}) == 2
        for task in following:
            task.cancel()
