"""/metrics as Prometheus reads it."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.gatewayd.counts import Counts
from sysmonstm.gatewayd.prometheus import Exposition, escape_help, escape_label, metric_name
from sysmonstm.metric import Kind, Layout, Metric, Series, Unit
from tests.gatewayd.fleet_publisher import CPU, FleetPublisher, now_us
from tests.gatewayd.running_gateway import RunningGateway

SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)')


def check(text: str) -> list[tuple[str, str, float]]:
    """The samples of a text that Prometheus would take: each group together after its HELP and TYPE, none twice."""
    samples, groups = [], []
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# TYPE "):
            groups.append(line.split(" ")[2])
        if line.startswith("#"):
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        assert match[1] == groups[-1]
        samples.append((match[1], match[2] or "", float(match[3])))
    assert len(set(groups)) == len(groups)
    assert len({one[:2] for one in samples}) == len(samples)
    return samples


def metric(name: str, unit: str, label: str = "") -> Metric:
    return Metric(name, unit, Kind.GAUGE, "Some \\ help", label)


@pytest.mark.parametrize(
    ("name", "unit", "expected"),
    [
        ("cpu.percent", Unit.PERCENT, "sysmon_cpu_percent"),
        ("cpu.user", Unit.PERCENT, "sysmon_cpu_user_percent"),
        ("memory.used", Unit.BYTES, "sysmon_memory_used_bytes"),
        ("disk.read", Unit.BYTES_PER_SECOND, "sysmon_disk_read_bytes_per_second"),
        ("system.uptime", Unit.SECONDS, "sysmon_system_uptime_seconds"),
        ("system.load1", Unit.COUNT, "sysmon_system_load1"),
        ("network.send_errors", Unit.COUNT_PER_SECOND, "sysmon_network_send_errors_per_second"),
        ("power.used", "watts", "sysmon_power_used_watts"),
        ("fan.speed", "turns/min", "sysmon_fan_speed_turns_per_min"),
        ("odd.unit", "b//", "sysmon_odd_unit_b_per__per"),
    ],
)
def test_names_end_in_their_unit(name: str, unit: str, expected: str) -> None:
    assert metric_name(metric(name, unit)) == expected


@given(st.text())
def test_no_text_can_leave_its_label_or_line(text: str) -> None:
    escaped = escape_label(text)
    assert SAMPLE.fullmatch(f'x{{a="{escaped}"}} 1')
    assert (
        escaped.replace("\\\\", "\0").replace("\\n", "\n").replace('\\"', '"').replace("\0", "\\") == text
        or "\0" in text
    )
    assert "\n" not in escape_help(text)


def test_machines_that_disagree_or_collide_leave_a_text_that_is_taken() -> None:
    exposition = Exposition()
    exposition.add_machine("a", up=True)
    exposition.add_machine("a", up=False)
    hostile = Layout(
        (
            Series(metric("a.b_c", "bytes")),
            Series(metric("a_b.c", "bytes")),
            Series(metric("own.label", "count", "machine"), "b"),
            Series(metric("no.label", "count"), "x"),
            Series(metric("no.label", "count"), "y"),
            Series(metric("cpu.percent", "percent", "core"), 'evil"} 1\nup{machine="\\'),
        )
    )
    for machine in ("a", "b"):
        exposition.add_sample(machine, hostile, [1, 2, 3, 4, 5, 6])
        exposition.add_sample(machine, Layout((Series(CPU),)), [7])
    exposition.add_counts(Counts(), 3, 4, live=True)
    samples = check(exposition.text())
    assert ("sysmon_up", '{machine="a"}', 1) in samples
    assert ("sysmon_own_label", '{machine="a",instance_machine="b"}', 3) in samples
    assert ("sysmon_no_label", '{machine="a",instance_name="y"}', 5) in samples
    assert ("sysmon_cpu_percent", '{machine="b"}', 7) in samples
    assert ("gatewayd_websocket_clients", "", 3) in samples


async def test_the_fleet_is_shown_without_what_was_not_read_and_without_old_values(
    gateway: RunningGateway, publisher: FleetPublisher
) -> None:
    publisher.show("web1", [12.3, math.nan, 3, 40.1])
    old = publisher.hello("old")
    publisher.publish([publisher.frame("old", [1, 2, 3, 4], received_us=now_us() - 60_000_000)], [old])
    publisher.publish(hellos=[publisher.hello("new")])
    await gateway.knows("web1", "old")
    async with gateway.session.get(gateway.server.make_url("/metrics")) as response:
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        samples = check(await response.text())
    fleet = [one for one in samples if one[0].startswith("sysmon_")]
    assert fleet == [
        ("sysmon_up", '{machine="new"}', 0),
        ("sysmon_up", '{machine="old"}', 0),
        ("sysmon_up", '{machine="web1"}', 1),
        ("sysmon_cpu_percent", '{machine="web1"}', 12.3),
        ("sysmon_cpu_core_percent", '{machine="web1",core="1"}', 3),
        ("sysmon_filesystem_percent", '{machine="web1",mount="/"}', 40.1),
    ]
    own = {one[0]: one[2] for one in samples if one[0].startswith("gatewayd_")}
    assert (own["gatewayd_live"], own["gatewayd_requests_total"]) == (1, 1)
