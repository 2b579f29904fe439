"""What clients with one subscription are told is made once for all of them, and none of them misses anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from sysmonstm.gatewayd import channel, channels, messages
from sysmonstm.gatewayd.client import MAX_NOTICES, Client
from sysmonstm.gatewayd.counts import Counts
from sysmonstm.gatewayd.messages import Bundle, Message, message
from sysmonstm.gatewayd.subscription import FEW_MACHINES, Subscription
from tests.gatewayd.fleet_publisher import OTHER_LAYOUT
from tests.gatewayd.recording_line import RecordingLine
from tests.gatewayd.wall import Wall, drain

MANY = [f"web{number:02}" for number in range(FEW_MACHINES + 4)]


def values(told: list[dict[str, Any]]) -> dict[str, float]:
    """The newest first value of each machine by what a client was told, in order."""
    newest: dict[str, float] = {}
    for one in told:
        for frame in one.get("frames") or one.get("machines") or ():
            newest[frame["machine"]] = frame["values"][0]
    return newest


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The types of the messages that were encoded, in order."""
    kinds: list[str] = []

    def counting(encode: Callable[[str], bytes]) -> Callable[[str], bytes]:
        def encode_counted(text: str) -> bytes:
            kinds.append(json.loads(text)["type"])
            return encode(text)

        return encode_counted

    for name in ("encode", "encode_deflated"):
        monkeypatch.setattr(messages, name, counting(getattr(messages, name)))
    return kinds


def test_however_many_clients_each_message_is_encoded_once(encoded: list[str]) -> None:
    wall = Wall(*MANY)
    browsers = [wall.browser(Subscription(None, frozenset({"cpu.percent"}))) for _ in range(50)]
    # The others came after it was made, and are told the time.
    assert [kind for kind in encoded if kind != "beat"] == ["snapshot"]
    del encoded[:]
    wall.samples(dict.fromkeys(MANY, 1.0))
    wall.flush()
    wall.hub._broadcast(message("event", "1", event={"id": 1}))
    assert encoded == ["frames", "event"]
    written = [line.written[-2:] for _, line in browsers]
    assert all(mine is first for one in written for mine, first in zip(one, written[0], strict=True))


def test_it_is_deflated_once_as_well(encoded: list[str]) -> None:
    wall = Wall(*MANY)
    browsers = [wall.browser(deflates=number % 2 == 0) for number in range(50)]
    assert [kind for kind in encoded if kind != "beat"] == ["snapshot", "snapshot"]
    del encoded[:]
    wall.samples(dict.fromkeys(MANY, 1.0))
    wall.flush()
    assert encoded == ["frames", "frames"]
    (_, deflating), (_, plain) = browsers[:2]
    assert len(deflating.written[-1]) < len(plain.written[-1]) / 2
    assert deflating.take()[-1] == plain.take()[-1]


def test_who_comes_between_two_moments_is_told_what_the_snapshot_lacks() -> None:
    wall = Wall(*MANY)
    wall.browser()
    wall.sample(MANY[0], 1.0)
    wall.sample(MANY[1], 2.0, OTHER_LAYOUT.id)
    wall.flush()
    wall.sample(MANY[2], 3.0)  # is gathered
    _, late = wall.browser()
    told = late.take()
    assert [one["type"] for one in told] == ["snapshot", "layout", "frames", "beat"]
    assert values(told)[MANY[2]] == 0.0
    wall.flush()
    told += late.take()
    assert values(told) == dict.fromkeys(MANY, 0.0) | {MANY[0]: 1.0, MANY[1]: 2.0, MANY[2]: 3.0}


def test_where_much_was_said_since_a_snapshot_who_comes_gets_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "MAX_OPENING", 3)
    wall = Wall(*MANY)
    wall.browser()
    told = []
    for number in range(4):
        wall.hello(MANY[0], os=str(number))
        _, late = wall.browser()
        told.append([one["type"] for one in late.take() if one["type"] != "beat"])
    assert told == [["snapshot", "machine"], ["snapshot", "machine", "machine"], ["snapshot"], ["snapshot", "machine"]]


def test_few_machines_are_shown_at_once_and_many_together() -> None:
    wall = Wall(*MANY)
    (_, all_of_them), (_, few) = wall.browser(), wall.browser(Subscription(frozenset(MANY[:FEW_MACHINES])))
    all_of_them.take(), few.take()
    for number in range(3):
        wall.sample(MANY[0], float(number))
        assert values(few.take()) == {MANY[0]: number}
        assert all_of_them.take() == []
    wall.sample(MANY[1], 7.0)
    wall.flush()
    (together,) = all_of_them.take()
    assert values([together]) == {MANY[0]: 2.0, MANY[1]: 7.0}
    assert len(together["frames"]) == 2


def test_a_small_fleet_is_shown_at_once_to_who_watches_all_of_it() -> None:
    wall = Wall("web1")
    _, line = wall.browser()
    line.take()
    wall.sample("web1", 5.0)
    assert values(line.take()) == {"web1": 5.0}


def test_who_is_behind_is_sent_the_newest_of_what_it_missed_and_no_more() -> None:
    wall = Wall(*MANY)
    (slow, line), (_, quick) = wall.browser(), wall.browser()
    line.take(), quick.take()
    line.full = True
    wall.sample(MANY[0], 1.0)
    wall.flush()
    assert values(line.take()) == {MANY[0]: 1.0}  # by this it is behind
    for number in range(2, 5):
        wall.sample(MANY[0], float(number))
        wall.sample(MANY[1], float(number))
        wall.flush()
    wall.sample(MANY[2], 9.0, OTHER_LAYOUT.id)
    wall.flush()
    assert line.take() == []
    assert wall.hub.counts.websocket_frames_skipped == 4
    drain(slow, line)
    told = line.take()
    assert [one["type"] for one in told] == ["layout", "frames"]
    assert told[1]["skipped"] is True
    assert values(told) == {MANY[0]: 4.0, MANY[1]: 4.0, MANY[2]: 9.0}
    drain(slow, line)
    assert line.take() == []


def test_who_is_late_but_misses_nothing_is_not_told_that_it_did() -> None:
    wall = Wall(*MANY)
    slow, line = wall.browser()
    line.full = True
    wall.sample(MANY[0], 1.0)
    wall.flush()
    line.take()
    wall.sample(MANY[0], 2.0)
    wall.flush()
    wall.sample(MANY[1], 3.0)
    wall.flush()
    drain(slow, line)
    (told,) = line.take()
    assert values([told]) == {MANY[0]: 2.0, MANY[1]: 3.0}
    assert "skipped" not in told


def test_those_who_missed_the_same_are_sent_one_and_the_same(encoded: list[str]) -> None:
    wall = Wall(*MANY)
    browsers = [wall.browser() for _ in range(20)]
    for _, line in browsers:
        line.full = True
    for number in range(3):
        wall.samples(dict.fromkeys(MANY, float(number)))
        wall.flush()
    del encoded[:]
    for client, line in browsers:
        line.take()
        drain(client, line)
        assert values(line.take()) == dict.fromkeys(MANY, 2.0)
    assert encoded == ["frames"]


def test_what_was_missed_is_not_older_than_what_a_machine_says_of_itself_meanwhile() -> None:
    wall = Wall(*MANY)
    (first, line), (second, late) = wall.browser(), wall.browser()
    for one in (line, late):
        one.full = True
    for value in (1.0, 2.0):
        wall.sample(MANY[0], value)
        wall.flush()
    late.take()
    drain(first, line)
    wall.sample(MANY[0], 3.0)  # is gathered
    wall.hello(MANY[0], os="new")
    drain(second, late)
    hello, missed = late.take()
    assert [hello["values"][0], missed["frames"][0]["values"][0]] == [3.0, 3.0]


def test_of_what_many_missed_from_many_turns_on_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "MAX_MISSED_CHARACTERS", 20_000)
    wall = Wall(*MANY)
    browsers = []
    for number in range(20):
        browsers.append(wall.browser())
        browsers[-1][0].behind = True
        wall.samples(dict.fromkeys(MANY, float(number)))
        wall.flush()
    wall.samples(dict.fromkeys(MANY, 100.0))
    for client, line in browsers:
        line.take()
        # Each has missed from another turn on, what nobody else has missed.
        wall.sample(MANY[client.turn % len(MANY)], 100.0)
    wall.flush()
    (first, _), *_ = browsers
    assert first.channel
    for client, line in browsers:
        drain(client, line)
        assert values(line.take()) == dict.fromkeys(MANY, 100.0)
        kept = sum(len(one.text) for one in first.channel._missed.values() if one)
        assert kept == first.channel._missed_characters <= 20_000
    assert 1 < len(first.channel._missed) < 20
    wall.flush()
    assert (first.channel._missed, first.channel._missed_characters) == ({}, 0)


def test_a_line_that_fills_up_meanwhile_is_sent_the_rest_later() -> None:
    wall = Wall(*MANY)
    client, line = wall.browser()
    line.take()
    client.resync()
    wall.hub._broadcast(message("event", "1", event={"id": 1}))
    line.full = True
    assert client.channel
    client.channel.bring_up(client)
    assert [one["type"] for one in line.take() if one["type"] != "beat"] == ["snapshot"]
    wall.sample(MANY[0], 1.0)
    wall.flush()
    assert client.behind
    drain(client, line)
    assert [one["type"] for one in line.take()] == ["event", "frames"]


def test_more_notices_than_a_snapshot_is_long_become_a_snapshot_and_events_survive_it() -> None:
    wall = Wall("web1")
    client, line = wall.browser()
    line.take()
    client.behind = True
    client.tell(Bundle([message("event", "1", event={"id": 1})]))
    for number in range(MAX_NOTICES):
        client.tell(Bundle([message("state", str(number))]))
    assert client.snapshot_due
    assert list(client.notices) == [("event", "1")]
    client.tell(Bundle([message("state", "needless, for the snapshot will say it")]))
    drain(client, line)
    assert [one["type"] for one in line.take() if one["type"] != "beat"] == ["snapshot", "event"]
    drain(client, line)
    assert line.take() == []


def test_many_small_notices_go_by_few_writes_and_stop_where_the_line_is_full() -> None:
    wall = Wall("web1")
    client, line = wall.browser()
    client.behind = True
    client.tell(Bundle([message("event", str(number), text="x" * 1000) for number in range(100)]))
    line.take()
    line.full = True
    assert client.channel
    client.channel.bring_up(client)
    assert (len(line.written), client.behind) == (1, True)
    told = line.take()
    drain(client, line)
    assert len(line.written) < 10
    told += line.take()
    assert len(told) == 100 and len({json.dumps(one) for one in told}) == 1
    assert not client.notices


def test_a_layout_that_is_told_again_stays_before_what_needs_it() -> None:
    wall = Wall(*MANY)
    slow, line = wall.browser()
    line.full = True
    wall.hub._broadcast(message("event", "1", event={"id": 1}))
    line.take()
    for kind, about in (("layout", "aa"), ("machine", MANY[0]), ("layout", "aa")):
        slow.tell(Bundle([message(kind, about)]))
    drain(slow, line)
    assert [one["type"] for one in line.take()] == ["layout", "machine"]


def test_events_beyond_the_bound_are_lost_oldest_first_and_counted() -> None:
    client = Client(RecordingLine(), counts := Counts())
    client.tell(Bundle([Message("event", str(number), "{}") for number in range(MAX_NOTICES + 5)]))
    assert len(client.notices) == MAX_NOTICES
    assert next(iter(client.notices)) == ("event", "5")
    assert counts.websocket_events_lost == 5


def test_a_channel_is_gone_with_its_last_client_and_so_is_what_it_remembered() -> None:
    wall = Wall(*MANY)
    clients = []
    for number in range(10):
        asked = Subscription(frozenset(MANY[:number]), frozenset({f"cpu.m{number}"}))
        clients += [wall.browser(asked)[0], wall.browser(asked)[0]]
    assert len(wall.hub.channels) == 10
    assert len(wall.hub.channels._texts) == 10
    for client in clients:
        wall.hub.leave(client)
    assert len(wall.hub.channels) == 0
    assert not wall.hub.channels._texts
    assert not wall.hub.channels._narrow


def test_of_a_machine_that_is_forgotten_nothing_is_kept() -> None:
    wall = Wall(*MANY)
    client, _ = wall.browser()
    for name in MANY:
        wall.forget(name)
    wall.flush()
    assert client.channel
    remembered = client.channel._texts
    assert not remembered._samples and not remembered._hellos and not client.channel._said
    wall.hub._renew()
    assert not remembered._layouts


def test_one_client_that_asks_for_ever_other_things_leaves_nothing_behind() -> None:
    wall = Wall(*MANY)
    client, line = wall.browser()
    for number in range(500):
        asked = {"type": "subscribe", "machines": MANY[: number % 20], "metrics": [f"cpu.m{number}"]}
        wall.hub.heed(client, json.dumps(asked))
        drain(client, line)
        line.take()
    assert len(wall.hub.channels) == 1
    assert len(wall.hub.channels._texts) == 1


def test_there_are_only_so_many_channels_of_many_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "MAX_WIDE", 2)
    wall = Wall(*MANY)
    for metric in ("cpu.percent", "memory.percent"):
        wall.browser(Subscription(None, frozenset({metric})))
    client, line = wall.browser()  # of all there can always be one
    line.take()
    wall.hub.heed(client, '{"type":"subscribe","metrics":["system.load1"]}')
    (error,) = line.take()
    assert error["type"] == "error" and "2 different subscriptions" in error["detail"]
    wall.sample(MANY[0], 1.0)
    wall.flush()
    assert values(line.take()) == {MANY[0]: 1.0}
    # What others follow, and few machines, can be had.
    wall.hub.heed(client, '{"type":"subscribe","metrics":["cpu.percent"]}')
    wall.hub.heed(client, '{"type":"subscribe","machines":["web01"],"metrics":["system.load1"]}')
    drain(client, line)
    assert [one["type"] for one in line.take()] == ["snapshot"]
    # By its address it gets all instead.
    _, line = wall.browser(Subscription(None, frozenset({"system.load1"})))
    assert {one["type"] for one in line.take()} >= {"snapshot", "error"}
