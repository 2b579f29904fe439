"""What programs report becomes rates, levels and times, in a layout that rarely changes and within bounds."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.probe import Row, series_of
from sysmonstm.collectord.probes import CATALOGUE
from sysmonstm.collectord.probes.statsd import StatsdProbe
from sysmonstm.collectord.statsd.aggregate import (
    LAYOUTS_AT_ONCE,
    PLACE_KEPT_SECONDS,
    SECONDS_PER_LAYOUT,
    Aggregate,
    Bounds,
)
from sysmonstm.collectord.statsd.intake import Counts
from sysmonstm.collectord.statsd.names import Names
from sysmonstm.collectord.statsd.parse import parse
from sysmonstm.collectord.statsd.tallies import MOST_KEPT, percentile
from sysmonstm.collectord.statsd.words import Reason, RefusedError
from sysmonstm.metric import Layout
from sysmonstm.wire import check_frame, layout_from_wire, layout_to_wire

EXPIRE = 600.0


def aggregate(series: int = 500) -> Aggregate:
    return Aggregate(Names(CATALOGUE), Bounds(series, EXPIRE), 0.0, Random(7))


def take(statsd: Aggregate, *lines: bytes, now: float = 0.0) -> None:
    for line in lines:
        statsd.take(parse(line), now)


def named(rows: Iterable[Row]) -> dict[str, float]:
    return {f"{metric.name}[{instance}]" if instance else metric.name: value for metric, instance, value in rows}


def refusal(statsd: Aggregate, line: bytes, now: float = 0.0) -> Reason:
    with pytest.raises(RefusedError) as refused:
        take(statsd, line, now=now)
    return refused.value.reason


def test_a_counter_is_a_rate_since_the_rows_before_and_then_0() -> None:
    statsd = aggregate()
    take(statsd, b"shop.orders:1|c", b"shop.orders:2:3|c", b"shop.orders:1|c|@0.1", now=1.0)
    assert named(statsd.rows(4.0)) == {"shop.orders": 16 / 4}
    take(statsd, b"shop.orders:5|c", now=5.0)
    assert named(statsd.rows(6.0)) == {"shop.orders": 5 / 2}
    assert named(statsd.rows(8.0)) == {"shop.orders": 0.0}
    assert named(statsd.rows(8.0 + EXPIRE)) == {"shop.orders": 0.0}


def test_a_counter_that_begins_between_two_rows_is_of_the_whole_time_between_them() -> None:
    statsd = aggregate()
    statsd.rows(100.0)
    take(statsd, b"shop.orders:10|c", now=104.9)
    assert named(statsd.rows(105.0)) == {"shop.orders": 2.0}


def test_rows_that_follow_at_once_take_nothing_away() -> None:
    statsd = aggregate()
    take(statsd, b"a.b:1|c", b"a.t:1|ms")
    statsd.rows(1.0)
    take(statsd, b"a.b:6|c", b"a.t:5|ms", now=1.0)
    assert all(math.isnan(value) for value in named(statsd.rows(1.0)).values())
    assert named(statsd.rows(4.0))["a.b"] == 2.0
    assert named(statsd.rows(4.0 + 1e-4)).keys() == {"a.b", "a.t_mean", "a.t_p95", "a.t_max", "a.t_rate"}


def test_a_gauge_keeps_its_level_until_it_expires() -> None:
    statsd = aggregate()
    take(statsd, b"shop.queue:7|g", b"shop.queue:4|g", now=1.0)
    assert named(statsd.rows(5.0)) == {"shop.queue": 4.0}
    assert named(statsd.rows(1.0 + EXPIRE)) == {"shop.queue": 4.0}
    assert math.isnan(named(statsd.rows(1.1 + EXPIRE))["shop.queue"])
    take(statsd, b"shop.queue:9|g", now=2 * EXPIRE)
    assert named(statsd.rows(2 * EXPIRE)) == {"shop.queue": 9.0}


def test_a_gauge_with_a_sign_is_a_change_of_it() -> None:
    statsd = aggregate()
    take(statsd, b"a.g:+3|g", b"a.g:-5|g")
    assert named(statsd.rows(1.0)) == {"a.g": -2.0}
    take(statsd, b"a.g:10|g", b"a.g:+0.5|g")
    assert named(statsd.rows(2.0)) == {"a.g": 10.5}


def test_a_gauge_that_would_grow_too_large_stays_as_it_was() -> None:
    statsd = aggregate()
    take(statsd, b"a.g:1e15|g")
    assert refusal(statsd, b"a.g:+1e15|g") is Reason.VALUE
    assert named(statsd.rows(1.0)) == {"a.g": 1e15}


def test_a_timer_is_mean_percentile_greatest_and_rate_in_seconds() -> None:
    statsd = aggregate()
    take(statsd, *(b"shop.checkout:%d|ms" % value for value in range(1, 101)))
    assert named(statsd.rows(10.0)) == pytest.approx(
        {
            "shop.checkout_mean": 0.0505,
            "shop.checkout_p95": 0.095,
            "shop.checkout_max": 0.1,
            "shop.checkout_rate": 10.0,
        }
    )
    quiet = named(statsd.rows(20.0))
    assert quiet.pop("shop.checkout_rate") == 0.0
    assert all(map(math.isnan, quiet.values()))
    take(statsd, b"shop.checkout:7|ms")
    assert named(statsd.rows(30.0))["shop.checkout_max"] == 0.007


def test_a_sampled_timer_counts_for_those_left_out() -> None:
    statsd = aggregate()
    take(statsd, b"a.t:100|ms|@0.25", b"a.t:200|ms")
    values = named(statsd.rows(1.0))
    assert values["a.t_rate"] == 5.0
    assert values["a.t_mean"] == pytest.approx(0.12)


def test_a_distribution_is_in_its_own_unit() -> None:
    statsd = aggregate()
    take(statsd, b"a.size_bytes:1000:3000|d")
    assert named(statsd.rows(1.0))["a.size_bytes_mean"] == 2000.0


def test_of_many_values_the_percentile_is_found_in_a_fair_choice() -> None:
    statsd = aggregate()
    # In rising order: keeping the first or the last would be far off.
    take(statsd, *(b"a.d:%d|d" % value for value in range(20_000)))
    values = named(statsd.rows(1.0))
    assert values["a.d_p95"] == pytest.approx(19_000, abs=800)
    assert values["a.d_max"] == 19_999
    assert values["a.d_mean"] == pytest.approx(9_999.5)


@pytest.mark.parametrize(("number", "share", "found"), [(1, 0.95, 1), (20, 0.95, 19), (21, 0.95, 20), (100, 0.95, 95)])
def test_a_percentile_is_the_least_value_that_so_many_do_not_exceed(number: int, share: float, found: int) -> None:
    assert percentile(range(number, 0, -1), share) == found


def test_series_with_and_without_tags_have_one_name() -> None:
    statsd = aggregate()
    take(statsd, b"shop.orders:1|c", b"shop.orders:2|c|#region:eu", b"shop.orders:3|c|#tier:1,region:us")
    rows = statsd.rows(1.0)
    assert named(rows) == {"shop.orders": 1.0, "shop.orders[region=eu]": 2.0, "shop.orders[region=us,tier=1]": 3.0}
    assert [metric.instance_label for metric, _, _ in rows] == ["", "tags", "tags"]


def test_other_spellings_are_the_same_series() -> None:
    statsd = aggregate(series=1)
    take(statsd, b"Shop.Orders:1|c|#a:1,b:2", b"shop.orders:1|c|#b:2,a:1", b"SHOP..orders:1|c|#b:2,a:1,a:1")
    assert named(statsd.rows(1.0)) == {"shop.orders[a=1,b=2]": 3.0}


def test_spellings_are_forgotten_when_there_are_too_many_and_the_series_stays() -> None:
    statsd = aggregate(series=2)
    for place in range(100):
        take(statsd, b"a." + b"." * place + b"b:1|c")
    assert len(statsd._by_key) <= 8
    assert named(statsd.rows(1.0)) == {"a.b": 100.0}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"a.b:1|c", b"a.b:1|g"),
        (b"a.b:1|g", b"a.b:1|c|#x:y"),
        (b"a.b:1|ms", b"a.b:1|g"),
        (b"a.b:1|ms", b"a.b:1|h"),
        (b"a.b:1|ms", b"a.b_mean:1|g"),
        (b"a.b_mean:1|g", b"a.b:1|ms"),
        (b"a_b.c:1|g", b"a.b_c:1|g"),
    ],
)
def test_a_name_belongs_to_who_came_first(first: bytes, second: bytes) -> None:
    statsd = aggregate()
    take(statsd, first)
    before = named(statsd.rows(1.0)).keys()
    assert refusal(statsd, second) is Reason.TAKEN
    assert named(statsd.rows(2.0)).keys() == before


def test_a_refused_line_leaves_nothing_behind() -> None:
    statsd = aggregate()
    for line in (b"a.g:1:2|g", b"a.s:1|s", b"cpu.percent:1|g", b"a.1:1|g"):
        refusal(statsd, line)
    assert statsd.rows(1.0) == []
    take(statsd, b"a.g:1|c")
    assert statsd.size == 1


def test_beyond_the_bound_new_series_are_refused_and_known_ones_go_on() -> None:
    statsd = aggregate(series=5)
    take(statsd, b"a.t:1|ms", b"a.c:1|c")
    assert refusal(statsd, b"a.d:1|c") is Reason.FULL
    take(statsd, b"a.c:1|c")
    assert named(statsd.rows(1.0))["a.c"] == 2.0
    assert statsd.size == 5
    statsd.bounds = Bounds(6, EXPIRE)
    take(statsd, b"a.d:1|c")
    assert statsd.size == 6
    statsd.bounds = Bounds(0, EXPIRE)
    take(statsd, b"a.c:1|c")
    assert refusal(statsd, b"a.e:1|c") is Reason.FULL


def test_a_series_keeps_its_place_while_silent_and_loses_it_in_the_end() -> None:
    statsd = aggregate()
    take(statsd, b"a.old:1|g", b"a.new:1|g")
    first = named(statsd.rows(1.0)).keys()
    silent = EXPIRE + PLACE_KEPT_SECONDS
    take(statsd, b"a.new:1|g", now=silent)
    assert named(statsd.rows(silent)).keys() == first
    assert named(statsd.rows(silent + 1)).keys() == {"a.new"}
    # Its name is free again, for a metric of any type.
    take(statsd, b"a.old:1|c", now=silent + 2)
    assert named(statsd.rows(silent + 3)).keys() == {"a.new", "a.old"}


def test_a_series_that_was_gone_comes_back_as_it_was_sent_before() -> None:
    statsd = aggregate()
    take(statsd, b"a.old:1|g", b"a.new:1|g")
    statsd.rows(1.0)
    silent = EXPIRE + PLACE_KEPT_SECONDS + 1
    take(statsd, b"a.new:1|g", now=silent)
    assert named(statsd.rows(silent)).keys() == {"a.new"}
    take(statsd, b"a.old:3|g", now=silent + 1)
    assert named(statsd.rows(silent + 2)) == {"a.new": 1.0, "a.old": 3.0}


def test_full_of_series_that_are_gone_it_makes_room_at_once() -> None:
    statsd = aggregate(series=2)
    gone = EXPIRE + PLACE_KEPT_SECONDS + 1
    take(statsd, b"a.b:1|g", now=0.0)
    take(statsd, b"a.c:1|g", now=1800.0)
    statsd.rows(gone)
    take(statsd, b"a.d:1|g", now=gone)
    assert named(statsd.rows(gone + 1)).keys() == {"a.c", "a.d"}
    assert refusal(statsd, b"a.e:1|g", now=gone + 2) is Reason.FULL
    # Though others went half an hour ago.
    statsd.rows(gone + 1800)
    take(statsd, b"a.e:1|g", now=gone + 1800)
    assert named(statsd.rows(gone + 1801)).keys() == {"a.d", "a.e"}


def test_new_series_in_every_sample_do_not_make_a_layout_each_and_lose_nothing() -> None:
    statsd = aggregate()
    layouts, counted, samples = set(), 0.0, 200
    for turn in range(1, samples + 1):
        take(statsd, b"a.c:1|c|#request:%d" % turn, now=turn - 0.5)
        rows = statsd.rows(float(turn))
        layouts.add(tuple(instance for _, instance, _ in rows))
    assert 3 < len(layouts) <= LAYOUTS_AT_ONCE + samples / SECONDS_PER_LAYOUT + 1
    # What waited for a place was counted: as a mean over the time for which it waited.
    end = samples + SECONDS_PER_LAYOUT
    since = {f"a.c[request={turn}]": turn - 1 for turn in range(1, samples + 1)}
    for name, rate in named(statsd.rows(end)).items():
        counted += round(rate * (end - since[name]), 6)
    waited = samples - len(rows)
    assert waited > 10
    assert counted == waited


LINES = st.builds(
    lambda name, value, kind, rate, tags: f"{name}:{value}|{kind}{rate}{tags}".encode(),
    st.sampled_from(["a", "a.b", "a.b_mean", "a.b_rate", "A.B", "a_b.c", "a.b.c", "cpu.percent", "x." + "y" * 61, "é"]),
    st.sampled_from(["1", "-1", "+1", "1e15", "-1e15", "1:2:3", "0", "1e16", "nan"]) | st.floats().map(str),
    st.sampled_from(["g", "c", "ms", "h", "d", "s"]),
    st.sampled_from(["", "|@0.000001", "|@0.5"]),
    st.sampled_from(["", "|#t:1", "|#t:2", "|#b,a", "|#a,b", "|#,", "|#é"]) | st.text(max_size=9).map("|#".__add__),
)
STEPS = st.tuples(st.sampled_from([0.0, 1e-6, 0.5, 5.0, 700.0, 5000.0]), st.lists(LINES, max_size=30))


@given(st.lists(STEPS, max_size=30), st.integers(0, 12))
@settings(max_examples=300)
def test_whatever_is_sent_every_sample_is_one_that_the_hub_takes(
    steps: list[tuple[float, list[bytes]]], bound: int
) -> None:
    statsd, now = aggregate(bound), 0.0
    probe = StatsdProbe(statsd, Counts)
    list(probe.read(now))
    for passed, lines in steps:
        now += passed
        for line in lines:
            try:
                take(statsd, line, now=now)
            except RefusedError as error:
                assert str(error).isprintable()
        rows = list(probe.read(now))
        assert statsd.size <= bound
        metrics, instances, values = zip(*rows, strict=True)
        layout = Layout(series_of(probe, metrics, instances))
        assert layout_from_wire(layout_to_wire(layout)) == layout
        # As the hub gets them: a float32 that is too large would be infinite, and the whole sample refused.
        narrow = struct.unpack(f"{len(values)}f", struct.pack(f"{len(values)}f", *values))
        frame = pb.Frame(seq=1, time_us=10**15, layout_id=layout.id, values=narrow)
        check_frame(frame, layout, 10**15)


def test_the_first_reading_leaves_what_was_reported_for_the_second() -> None:
    statsd = aggregate()
    probe = StatsdProbe(statsd, lambda: Counts(lines=1))
    take(statsd, b"a.b:10|c")
    first = named(probe.read(0.5))
    assert "a.b" not in first
    assert math.isnan(first["statsd.lines"])
    second = named(probe.read(5.0))
    assert second["a.b"] == 2.0
    assert (second["statsd.lines"], second["statsd.shed"], second["statsd.series"]) == (0.0, 0.0, 1.0)


def test_what_was_refused_and_shut_out_is_told_as_rates() -> None:
    counts = Counts()
    probe = StatsdProbe(aggregate(), lambda: counts)
    list(probe.read(0.0))
    counts.lines, counts.shut_seconds = 10, 0.5
    counts.refused[Reason.TAKEN] = 20
    values = named(probe.read(2.0))
    assert (values["statsd.lines"], values["statsd.shed"]) == (5.0, 25.0)
    assert {name: value for name, value in values.items() if "refused" in name} == {
        f"statsd.refused[{reason.value}]": 10.0 * (reason is Reason.TAKEN) for reason in Reason
    }
    counts.shut_seconds = 100.0
    assert named(probe.read(3.0))["statsd.shed"] == 100.0


def test_a_timers_memory_is_bounded() -> None:
    statsd = aggregate()
    take(statsd, *[b"a.t:1|ms"] * (4 * MOST_KEPT))
    (entry,) = statsd._entries.values()
    assert len(entry.tally._kept) == MOST_KEPT  # type: ignore[attr-defined]
