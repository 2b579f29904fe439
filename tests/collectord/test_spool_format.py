"""A segment's bytes: what is written is read back, what is damaged is passed over, and nothing else comes out."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool import records
from sysmonstm.collectord.spool.gaps import Gaps
from sysmonstm.collectord.spool.records import HEADER_BYTES, Header, Kind, Part
from sysmonstm.collectord.spool.segment import CHUNK_BYTES, records_of
from tests.collectord.recorded_files import Content, Disk, MemoryFile

HEADER = Header(b"s" * 16, b"b" * 16, 7, 3)

parts = st.lists(
    st.builds(Part, st.sampled_from(Kind), st.integers(0, 2**64 - 1), st.binary(max_size=300)),
    max_size=8,
    unique_by=lambda part: part.seq,
)


def parts_in(data: bytes, header: Header = HEADER, end: int | None = None) -> list[Part]:
    file = MemoryFile(Disk(random.Random(0)), Content(data))
    found = list(records_of(file, header.salt, 0, len(data) if end is None else end))
    assert [one.start for one in found] == sorted(one.start for one in found)
    return [Part(Kind(one.kind), one.seq, one.payload) for one in found]


@given(parts)
def test_records_are_read_as_they_were_written(written: list[Part]) -> None:
    assert parts_in(HEADER.encoded() + records.encoded(written, HEADER.salt)) == written


def test_records_that_are_larger_than_what_is_read_at_once_are_read() -> None:
    written = [Part(Kind.FRAME, seq, bytes([seq]) * size) for seq, size in enumerate((1, 3 * CHUNK_BYTES, 5, 70_000))]
    assert parts_in(HEADER.encoded() + records.encoded(written, HEADER.salt)) == written


@given(parts, st.data())
def test_bytes_that_were_changed_cost_the_records_they_are_in_and_no_others(
    written: list[Part], data: st.DataObject
) -> None:
    encoded = bytearray(HEADER.encoded() + records.encoded(written, HEADER.salt))
    place = data.draw(st.integers(0, len(encoded) - 1))
    encoded[place] ^= data.draw(st.integers(1, 255))
    found = parts_in(bytes(encoded))
    hit = place >= HEADER_BYTES
    assert len(found) == len(written) - hit
    assert [part for part in written if part in found] == found


@given(parts, st.data())
def test_what_is_cut_off_costs_what_is_behind_the_cut(written: list[Part], data: st.DataObject) -> None:
    encoded = HEADER.encoded() + records.encoded(written, HEADER.salt)
    cut = data.draw(st.integers(0, len(encoded)))
    found = parts_in(encoded[:cut], end=len(encoded))
    assert found == written[: len(found)]
    assert sum(records.PREFIX_BYTES + len(part.payload) for part in written[: len(found)]) <= max(0, cut - HEADER_BYTES)


@given(parts, st.binary(max_size=100))
def test_rubbish_between_records_is_passed_over(written: list[Part], rubbish: bytes) -> None:
    pieces = [records.encoded([part], HEADER.salt) for part in written]
    assert parts_in(HEADER.encoded() + rubbish.join(pieces) + rubbish) == written


def test_records_of_another_segment_are_none() -> None:
    other = Header(HEADER.stream, HEADER.boot, 8, 3)
    data = HEADER.encoded() + records.encoded([Part(Kind.FRAME, 7, b"stale")], other.salt)
    assert parts_in(data) == []
    assert parts_in(data, other) == [Part(Kind.FRAME, 7, b"stale")]


@pytest.mark.parametrize("place", range(HEADER_BYTES))
def test_a_header_outlives_any_damaged_byte(place: int) -> None:
    data = bytearray(HEADER.encoded())
    data[place] ^= 1
    assert records.decoded_header(bytes(data)) == HEADER


@pytest.mark.parametrize("size", range(HEADER_BYTES))
def test_a_header_that_is_cut_is_itself_or_none(size: int) -> None:
    expected = HEADER if size >= HEADER_BYTES // 2 else None
    assert records.decoded_header(HEADER.encoded()[:size]) == expected


def test_a_header_of_another_version_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "VERSION", 2)
    data = HEADER.encoded()
    monkeypatch.undo()
    assert records.decoded_header(data) is None


def test_a_gap_is_read_as_it_was_written() -> None:
    lost = pb.Gap(first_seq=3, last_seq=2**60, reason=pb.GAP_REASON_DAMAGED)
    part = records.gap(HEADER.stream, lost)
    assert records.decoded_gap(part.seq, part.payload) == (HEADER.stream, lost)


@pytest.mark.parametrize(("seq", "payload"), [(0, None), (9, None), (3, b""), (3, b"x" * 25)])
def test_a_gap_that_cannot_be_is_none(seq: int, payload: bytes | None) -> None:
    good = records.gap(HEADER.stream, pb.Gap(first_seq=3, last_seq=8, reason=pb.GAP_REASON_SHED)).payload
    assert records.decoded_gap(seq, good if payload is None else payload) is None


spans = st.tuples(st.integers(1, 30), st.integers(0, 9), st.sampled_from([pb.GAP_REASON_SHED, pb.GAP_REASON_DAMAGED]))


@given(st.lists(spans), st.integers(0, 40), st.integers(1, 40), st.integers(1, 40))
def test_gaps_are_a_set_of_seqs_with_the_reason_told_first(
    added: list[tuple[int, int, pb.GapReason]], settled: int, first: int, last: int
) -> None:
    gaps, model = Gaps(), dict[int, int]()
    for start, more, reason in added:
        news = [seq for seq in range(start, start + more + 1) if seq not in model]
        assert gaps.add(start, start + more, reason) == len(news)
        model |= dict.fromkeys(news, reason)
    gaps.forget(settled)
    model = {seq: reason for seq, reason in model.items() if seq > settled}
    assert gaps.seqs == len(model)
    listed = list(gaps)
    told = {seq: gap.reason for gap in listed for seq in range(gap.first_seq, gap.last_seq + 1)}
    assert told == model
    assert {seq for seq in range(1, 50) if gaps.has(seq)} == set(model)
    for gap, following in pairwise(listed):
        assert gap.last_seq < following.first_seq
        assert gap.last_seq + 1 < following.first_seq or gap.reason != following.reason
    inside = {seq for gap in gaps.within(first, last) for seq in range(gap.first_seq, gap.last_seq + 1)}
    assert inside == {seq for seq in model if first <= seq <= last}
