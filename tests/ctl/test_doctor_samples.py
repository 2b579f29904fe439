"""What the doctor makes of a machine's newest sample, and of what its collector tells systemd."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from sysmonstm.ctl.doctor import samples
from sysmonstm.ctl.doctor.finding import Verdict
from sysmonstm.ctl.doctor.place import Daemon, Place
from sysmonstm.ctl.doctor.units import Unit
from tests.ctl.judging import FAIL, OK, UNSEEN, judged


def look(unit: str) -> str:
    return f"look at {unit}"


@pytest.mark.parametrize(
    ("one", "verdict", "words"),
    [
        ({"machine": "web1", "received": 997.0, "state": "up"}, OK, ["the newest sample of web1 is 3s old"]),
        ({"machine": "web1", "received": 954.0, "state": "silent"}, FAIL, ["46s old: collectord hangs", "look at"]),
        ({"machine": "web1", "received": None, "state": "waiting"}, UNSEEN, ["no sample of web1 has come yet"]),
        ({"machine": "web2", "received": 999.0, "state": "up"}, UNSEEN, ["no sample of web1 has come yet"]),
    ],
)
def test_the_newest_sample(one: dict[str, object], verdict: Verdict, words: list[str]) -> None:
    judged(samples.judge("web1", {"machines": [one]}, 1000.0, look), verdict, *words)


@pytest.mark.parametrize("answer", [None, [], {"detail": "Redis is away"}])
def test_where_the_dashboard_does_not_say_nothing_is_said(answer: object) -> None:
    assert samples.judge("web1", answer, 1000.0, look) == []


@pytest.mark.parametrize(
    ("seconds_ago", "verdict", "words"),
    [
        (3, OK, ["it told systemd so 3s ago"]),
        (14, FAIL, ["collectord hangs: it last told systemd 14s ago", "systemctl status sysmon-collectord"]),
        (None, UNSEEN, ["could not be found out"]),
    ],
)
def test_without_a_gateway_systemd_is_asked(
    tmp_path: Path, seconds_ago: int | None, verdict: Verdict, words: list[str]
) -> None:
    told = 0 if seconds_ago is None else round((time.monotonic() - seconds_ago) * 1e6)
    unit = Unit.of("sysmon-collectord.service", {"ActiveState": "active", "WatchdogTimestampMonotonic": str(told)})
    judged(samples.check(Place((Daemon("collectord", service=unit),), "", settings=tmp_path)), verdict, *words)


def test_of_a_collector_that_does_not_run_others_speak(tmp_path: Path) -> None:
    unit = Unit.of("sysmon-collectord.service", {"ActiveState": "failed", "WatchdogTimestampMonotonic": "1"})
    assert samples.check(Place((Daemon("collectord", service=unit),), "", settings=tmp_path)) == []
