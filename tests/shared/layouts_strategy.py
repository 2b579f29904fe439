"""Hypothesis strategies for what machines may send: layouts and values as the contract allows them."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

from sysmonstm.metric import Kind, Layout, Metric, Series

# Printable by Python's word for it, which is the contract's.
printable_texts = st.text(max_size=20).map(lambda text: "".join(filter(str.isprintable, text)))

metrics = st.builds(
    Metric,
    name=st.from_regex(r"[a-z][a-z0-9_]{0,6}\.[a-z][a-z0-9_]{0,6}", fullmatch=True),
    unit=st.from_regex(r"[a-z][a-z/]{0,6}", fullmatch=True),
    kind=st.sampled_from(Kind),
    help=printable_texts,
    instance_label=st.from_regex(r"(?:[a-z][a-z0-9_]{0,6})?", fullmatch=True),
)

layouts = st.lists(
    st.builds(Series, metrics, printable_texts),
    min_size=1,
    max_size=12,
    unique_by=lambda one: (one.metric.name, one.instance),
).map(lambda series: Layout(tuple(series)))

# Every pattern of 32 bits, NaNs with payloads too; and those that chance would hardly find.
float32s = st.one_of(
    st.integers(0, 2**32 - 1).map(lambda bits: float(struct.unpack("<f", struct.pack("<I", bits))[0])),
    st.floats(width=32),
)
