from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.metric import LAYOUT_ID_BYTES, Kind, Layout, Metric, Series, Unit
from tests.shared.layouts_strategy import layouts

CPU = Metric("cpu.percent", Unit.PERCENT, Kind.RATE, "Time not idle", "core")


@given(layouts, layouts)
def test_layouts_have_equal_ids_exactly_where_their_content_is_equal(one: Layout, other: Layout) -> None:
    assert len(one.id) == LAYOUT_ID_BYTES
    assert (one.id == other.id) == (one.series == other.series)


@given(st.text(min_size=2, max_size=12), st.data())
def test_moving_text_from_one_field_to_the_next_makes_another_id(text: str, data: st.DataObject) -> None:
    """Texts that are equal when they are joined without their lengths."""
    first, second = (data.draw(st.integers(0, len(text))) for _ in range(2))

    def cut(at: int) -> Layout:
        return Layout((Series(Metric("a.b", "count", Kind.GAUGE, text[:at], ""), text[at:]),))

    assert (cut(first).id == cut(second).id) == (first == second)


def test_a_text_that_looks_like_the_next_field_makes_another_id() -> None:
    plain = Metric("a.b", "count", Kind.GAUGE, "x", "y")
    forged = dataclasses.replace(plain, help="x1:y", instance_label="")
    assert Layout((Series(plain),)).id != Layout((Series(forged),)).id


def test_every_field_and_the_order_count_in_an_id() -> None:
    series = (Series(CPU, "0"), Series(CPU, "1"))
    changed = [
        dataclasses.replace(CPU, **change)
        for change in (
            {"name": "cpu.other"},
            {"unit": "count"},
            {"kind": Kind.GAUGE},
            {"help": "?"},
            {"instance_label": "x"},
        )
    ]
    ids = {Layout(series).id, Layout(series[::-1]).id, Layout(series[:1]).id}
    ids |= {Layout((Series(metric, "0"), Series(metric, "1"))).id for metric in changed}
    assert len(ids) == 3 + len(changed)


@given(layouts)
def test_metrics_and_positions_name_every_series_once(layout: Layout) -> None:
    assert set(layout.metrics) == {one.metric for one in layout.series}
    assert len(layout.metrics) == len(set(layout.metrics))
    placed = sorted((position, name) for name, positions in layout.positions.items() for position in positions)
    assert placed == [(position, one.metric.name) for position, one in enumerate(layout.series)]


def test_the_family_of_a_metric_is_what_stands_before_the_dot() -> None:
    assert CPU.family == "cpu"
