"""Texts of samples are made where somebody takes them, and kept for those that are watched."""

from __future__ import annotations

import json

import pytest

from sysmon.v1.bus_pb2 import LiveFrame
from sysmonstm.gatewayd import channel, texts
from sysmonstm.gatewayd.subscription import Subscription
from tests.gatewayd.test_gateway_channels import MANY, values
from tests.gatewayd.wall import Wall, drain


def test_clients_that_ask_for_one_machine_after_the_other_have_texts_kept_of_those_that_they_watch_only() -> None:
    wall = Wall(*MANY)
    # Three of them, so that there is always one who asks for these metrics.
    watching = [wall.browser(Subscription(frozenset(MANY[:1]))) for _ in range(3)]
    for number in range(60):
        client, line = watching[number % 3]
        wall.hub.heed(client, json.dumps({"type": "subscribe", "machines": [MANY[number % len(MANY)]]}))
        drain(client, line)
        wall.samples(dict.fromkeys(MANY, float(number)))
    kept = [one._samples.keys() | one._hellos.keys() for one in wall.hub.channels._texts]
    assert sorted(map(len, kept)) == [1, 1, 1]


def test_where_everybody_is_behind_no_text_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    make = texts.sample_text

    def make_counted(frame: LiveFrame, shown: texts.ShownLayout) -> str:
        made.append(frame)
        return make(frame, shown)

    wall = Wall(*MANY)
    client, line = wall.browser()
    monkeypatch.setattr(channel, "OPENING_SECONDS", 0.0)
    wall.flush()
    line.full = True
    wall.samples(dict.fromkeys(MANY, 1.0))
    wall.flush()
    assert client.behind
    line.take()
    monkeypatch.setattr(texts, "sample_text", make_counted)
    for number in range(10):
        wall.samples(dict.fromkeys(MANY, 2.0 + number))
        wall.flush()
    assert not made
    drain(client, line)
    assert values(line.take()) == dict.fromkeys(MANY, 11.0)
    assert len(made) == len(MANY)
