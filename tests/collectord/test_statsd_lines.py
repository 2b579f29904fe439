"""A line of StatsD means what StatsD says, becomes names that the hub takes, and is refused with a reason otherwise."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sysmonstm.collectord.probes import CATALOGUE
from sysmonstm.collectord.statsd.names import INSTANCE_LABEL, Name, Names, type_of
from sysmonstm.collectord.statsd.parse import MOST_BYTES, parse
from sysmonstm.collectord.statsd.words import LARGEST, Key, Line, Reason, RefusedError, Type
from sysmonstm.gatewayd.prometheus import metric_name
from sysmonstm.metric import METRIC_NAME, Kind, Layout, Metric, Series, Unit
from sysmonstm.wire import HUB_FAMILIES, layout_from_wire, layout_to_wire

NAMES = Names(CATALOGUE)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        (b"shop.orders:1|c", Line(Key(b"shop.orders", b"c", b""), (1.0,), 1.0, False)),
        (b"a:0.5|g", Line(Key(b"a", b"g", b""), (0.5,), 1.0, False)),
        (b"a:+3|g", Line(Key(b"a", b"g", b""), (3.0,), 1.0, True)),
        (b"a:-.5|g", Line(Key(b"a", b"g", b""), (-0.5,), 1.0, True)),
        (b"a:1:2.5:3e2|ms", Line(Key(b"a", b"ms", b""), (1.0, 2.5, 300.0), 1.0, False)),
        (b"a:1|c|@0.1", Line(Key(b"a", b"c", b""), (1.0,), 0.1, False)),
        (b"a:1|c|@0.1|#x:y,z", Line(Key(b"a", b"c", b"x:y,z"), (1.0,), 0.1, False)),
        (b"a:1|c|#x:y|@0.1", Line(Key(b"a", b"c", b"x:y"), (1.0,), 0.1, False)),
        (b"a:1|h|#x:a:b|c:83c0a99c|e:it-false", Line(Key(b"a", b"h", b"x:a:b"), (1.0,), 1.0, False)),
        (b"a:1|nonsense", Line(Key(b"a", b"nonsense", b""), (1.0,), 1.0, False)),
    ],
)
def test_a_line_is_parsed(line: bytes, meant: Line) -> None:
    assert parse(line) == meant


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", Reason.SYNTAX),
        (b"nonsense", Reason.SYNTAX),
        (b"a:1", Reason.SYNTAX),
        (b"a:1|c|T1656581400", Reason.SYNTAX),
        (b"a:1|c|", Reason.SYNTAX),
        (b"_e{5,4}:title|text", Reason.VALUE),
        (b"a:|c", Reason.VALUE),
        (b"a:1:|c", Reason.VALUE),
        (b"a::1|c", Reason.VALUE),
        (b"a:nan|g", Reason.VALUE),
        (b"a:inf|g", Reason.VALUE),
        (b"a:1e999|g", Reason.VALUE),
        (b"a:1:1e16|ms", Reason.VALUE),
        (b"a:-1e16|g", Reason.VALUE),
        (b"a:1_000|c", Reason.VALUE),
        (b"a: 1|c", Reason.VALUE),
        (b"a:0x10|c", Reason.VALUE),
        ("a:٣|c".encode(), Reason.VALUE),
        (b"a:1|c|@0", Reason.VALUE),
        (b"a:1|c|@1.01", Reason.VALUE),
        (b"a:1|c|@-1", Reason.VALUE),
        (b"a:1|c|@nan", Reason.VALUE),
        (b"a:1|c|@1e-7", Reason.VALUE),
        (b"a:1|c|@", Reason.VALUE),
        (b"a" * MOST_BYTES + b":1|c", Reason.LENGTH),
    ],
)
def test_what_is_no_line_is_refused_with_its_reason(line: bytes, reason: Reason) -> None:
    with pytest.raises(RefusedError) as refused:
        parse(line)
    assert refused.value.reason is reason


@given(
    st.binary(max_size=80) | st.from_regex(rb"[a-z]{1,3}:[-+0-9.:e]{1,9}\|(c|g|ms|h|d|s)(\|[@#c:.0-9a-z]{0,6}){0,3}")
)
@example(b"a:1e309|g")
def test_whatever_is_sent_is_a_line_of_finite_values_or_refused(raw: bytes) -> None:
    try:
        line = parse(raw)
    except RefusedError as error:
        assert str(error).isprintable()
        return
    assert line.values
    assert all(math.isfinite(value) and abs(value) <= LARGEST for value in line.values)
    assert 0 < line.rate <= 1


@pytest.mark.parametrize(
    ("name", "tags", "meant"),
    [
        (b"shop.orders", b"", Name("shop.orders", "")),
        (b"Shop.Orders.Paid", b"", Name("shop.orders_paid", "")),
        (b"orders", b"", Name("local.orders", "")),
        (b"my-app.page views/all", b"", Name("my_app.page_views_all", "")),
        (b"..a...b..", b"", Name("a.b", "")),
        (b"a.b", b"tier:1,region:eu", Name("a.b", "region=eu,tier=1")),
        (b"a.b", b"region:eu,tier:1,region:eu", Name("a.b", "region=eu,tier=1")),
        (b"a.b", b"canary,url:http://x/?q=1", Name("a.b", "canary,url=http://x/?q=1")),
        (b"a.b", b",,", Name("a.b", "")),
        (b"a.b", b"empty:", Name("a.b", "empty=")),
    ],
)
def test_names_and_tags_become_metrics_and_instances(name: bytes, tags: bytes, meant: Name) -> None:
    assert NAMES.resolve(name, tags) == meant


@pytest.mark.parametrize(
    ("name", "tags", "reason"),
    [
        (b"", b"", Reason.NAME),
        (b"...", b"", Reason.NAME),
        ("größe".encode(), b"", Reason.NAME),
        (b"a\x1b[31m.b", b"", Reason.NAME),
        (b"a.b", b"x:\x00", Reason.NAME),
        (b"a.b", "x:größe".encode(), Reason.NAME),
        (b"a.b", b"x=1:y", Reason.NAME),
        (b"a.b", b":y", Reason.NAME),
        (b"a.b", b"x:" + b"y" * 200, Reason.NAME),
        (b"a.b", b",".join(b"t%d" % number for number in range(17)), Reason.NAME),
        (b"cpu.percent", b"", Reason.TAKEN),
        (b"CPU.anything", b"", Reason.TAKEN),
        (b"statsd.lines", b"", Reason.TAKEN),
        (b"probe.success", b"probe:cpu", Reason.TAKEN),
        (b"alert.firing", b"", Reason.TAKEN),
        # One series with the collector's own where dots are no part of a name.
        (b"memory_swap.used", b"", Reason.TAKEN),
        (b"disk_read.bytes_per_second", b"", Reason.TAKEN),
    ],
)
def test_names_that_cannot_be_had_are_refused_with_their_reason(name: bytes, tags: bytes, reason: Reason) -> None:
    with pytest.raises(RefusedError) as refused:
        NAMES.resolve(name, tags)
    assert refused.value.reason is reason


def test_no_family_of_the_collector_or_the_hub_can_be_had() -> None:
    for family in {metric.family for metric in CATALOGUE} | HUB_FAMILIES:
        assert not NAMES.free(f"{family}.made_up"), family


@given(st.text("abcpudiskmemorswp_.-X1é ", max_size=40), st.text("ab:=,é1\n", max_size=20), st.sampled_from(Type))
@example("memory_swap.used_bytes", "", Type.GAUGE)
def test_whatever_name_is_let_through_is_one_that_the_hub_takes_and_no_one_elses(
    text: str, tags: str, kind: Type
) -> None:
    try:
        name = NAMES.resolve(text.encode(), tags.encode())
        metrics = NAMES.declared(kind, name)
    except RefusedError as error:
        assert str(error).isprintable()
        return
    layout = Layout(tuple(Series(metric, name.instance) for metric in metrics))
    assert layout_from_wire(layout_to_wire(layout)) == layout
    own = {metric.name for metric in CATALOGUE}, {metric_name(metric) for metric in CATALOGUE}
    for metric in metrics:
        assert METRIC_NAME.fullmatch(metric.name)
        assert metric.name not in own[0]
        assert metric_name(metric) not in own[1]
        assert bool(metric.instance_label) == bool(name.instance)


def shown(metric: Metric) -> tuple[str, str, Kind]:
    return metric.name, metric.unit, metric.kind


@pytest.mark.parametrize(
    ("text", "name", "metrics"),
    [
        (b"g", "shop.queue", [("shop.queue", Unit.COUNT, Kind.GAUGE)]),
        (b"g", "backup.duration_seconds", [("backup.duration_seconds", Unit.SECONDS, Kind.GAUGE)]),
        (b"g", "backup.bytes", [("backup.bytes", Unit.BYTES, Kind.GAUGE)]),
        (b"g", "pool.used_percent", [("pool.used_percent", Unit.PERCENT, Kind.GAUGE)]),
        (b"c", "shop.orders", [("shop.orders", Unit.COUNT_PER_SECOND, Kind.RATE)]),
        (b"c", "shop.sent_bytes", [("shop.sent_bytes", Unit.BYTES_PER_SECOND, Kind.RATE)]),
        (
            b"ms",
            "shop.checkout",
            [
                ("shop.checkout_mean", Unit.SECONDS, Kind.GAUGE),
                ("shop.checkout_p95", Unit.SECONDS, Kind.GAUGE),
                ("shop.checkout_max", Unit.SECONDS, Kind.GAUGE),
                ("shop.checkout_rate", Unit.COUNT_PER_SECOND, Kind.RATE),
            ],
        ),
        (
            b"d",
            "shop.upload_bytes",
            [
                ("shop.upload_bytes_mean", Unit.BYTES, Kind.GAUGE),
                ("shop.upload_bytes_p95", Unit.BYTES, Kind.GAUGE),
                ("shop.upload_bytes_max", Unit.BYTES, Kind.GAUGE),
                ("shop.upload_bytes_rate", Unit.COUNT_PER_SECOND, Kind.RATE),
            ],
        ),
    ],
)
def test_a_type_becomes_metrics_with_units(text: bytes, name: str, metrics: list[tuple[str, str, Kind]]) -> None:
    made = NAMES.declared(type_of(text), Name(name, ""))
    assert [shown(metric) for metric in made] == metrics
    assert {metric.instance_label for metric in NAMES.declared(type_of(text), Name(name, "a=b"))} == {INSTANCE_LABEL}


def test_types_that_are_not_taken_are_refused_by_name() -> None:
    with pytest.raises(RefusedError, match="sets are not taken"):
        type_of(b"s")
    with pytest.raises(RefusedError, match="a type is g, c, ms, h or d"):
        type_of(b"C")


def test_a_name_is_as_long_as_what_its_type_adds_leaves_room_for() -> None:
    assert NAMES.declared(Type.GAUGE, Name(f"a.{'b' * 64}", ""))
    assert NAMES.declared(Type.TIMER, Name(f"a.{'b' * 59}", ""))
    for kind, name in ((Type.GAUGE, f"a.{'b' * 65}"), (Type.TIMER, f"a.{'b' * 60}"), (Type.GAUGE, "a.1b")):
        with pytest.raises(RefusedError, match="at most 64 letters"):
            NAMES.declared(kind, Name(name, ""))


def test_what_a_timer_adds_cannot_make_a_name_of_the_collectors_own() -> None:
    names = Names([Metric("foo.bar_x_max", Unit.COUNT, Kind.GAUGE, "The collector's own")])
    assert names.declared(Type.GAUGE, names.resolve(b"foo_bar.x", b""))
    with pytest.raises(RefusedError, match=r"foo_bar\.x_max is a name of the collector's"):
        names.declared(Type.TIMER, names.resolve(b"foo_bar.x", b""))
