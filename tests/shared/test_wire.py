from __future__ import annotations

import json
import math
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import wire
from sysmonstm.metric import Kind, Layout, Metric, Series
from tests.shared.layouts_strategy import float32s, layouts

NOW_US = 1_800_000_000_000_000
LAYOUT = Layout((Series(Metric("cpu.percent", "percent", Kind.RATE, "Time not idle")),))


@given(st.binary(min_size=16, max_size=16), st.lists(float32s, max_size=20), st.integers(1, 4))
def test_sealed_messages_are_opened_as_they_were(stream: bytes, values: list[float], many: int) -> None:
    sealer, unsealer = wire.Sealer(), wire.Unsealer(pb.Frame)
    for seq in range(many):
        message = pb.Frame(seq=seq, layout_id=stream, values=values)
        received = pb.Sealed.FromString(sealer.seal(message).SerializeToString())
        assert unsealer.unseal(received).SerializeToString() == message.SerializeToString()


BATCH = pb.Batch(frames=[pb.Frame(seq=1, time_us=NOW_US, values=[1.0, 2.0])], sent_us=NOW_US)


@given(st.data())
def test_a_flipped_bit_anywhere_in_what_is_sealed_is_seen(data: st.DataObject) -> None:
    sealed = wire.Sealer().seal(BATCH)
    bit = data.draw(st.integers(0, 8 * len(sealed.message) - 1))
    damaged = bytearray(sealed.message)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(wire.DamagedError):
        wire.Unsealer(pb.Batch).unseal(pb.Sealed(message=bytes(damaged), crc32=sealed.crc32))
    with pytest.raises(wire.DamagedError):
        wire.Unsealer(pb.Batch).unseal(pb.Sealed(message=sealed.message, crc32=sealed.crc32 ^ 1 << bit % 32))


@pytest.mark.parametrize("came", [[1], [0, 2], [0, 0], [0, 2, 1]], ids=str)
def test_a_message_that_is_missing_or_comes_twice_or_too_early_is_seen(came: list[int]) -> None:
    sealer, unsealer = wire.Sealer(), wire.Unsealer(pb.Batch)
    sealed = [sealer.seal(BATCH) for _ in range(3)]
    with pytest.raises(wire.DamagedError, match="missing"):
        for number in came:
            unsealer.unseal(sealed[number])


def test_a_message_of_nothing_but_zeros_is_seen() -> None:
    with pytest.raises(wire.DamagedError):
        wire.Unsealer(pb.Batch).unseal(pb.Sealed())


def test_what_is_no_message_though_its_checksum_is_right_is_damaged_too() -> None:
    raw = b"\xff\xff\xff"
    with pytest.raises(wire.DamagedError, match="cannot be read"):
        wire.Unsealer(pb.Batch).unseal(pb.Sealed(message=raw, crc32=zlib.crc32(raw, 1)))


@given(layouts)
def test_a_layout_survives_the_wire_with_its_id(layout: Layout) -> None:
    received = pb.Layout.FromString(wire.layout_to_wire(layout).SerializeToString())
    again = wire.layout_from_wire(received)
    assert (again, again.id) == (layout, layout.id)


def test_a_kind_that_is_not_said_is_a_gauge() -> None:
    layout = Layout((Series(Metric("a.b", "count", Kind.GAUGE, "")),))
    message = wire.layout_to_wire(layout)
    message.metrics[0].kind = pb.KIND_UNSPECIFIED
    assert wire.layout_from_wire(message) == layout


@given(st.lists(float32s))
def test_the_values_of_a_frame_survive_the_wire(values: list[float]) -> None:
    received = pb.Frame.FromString(pb.Frame(values=values).SerializeToString()).values
    assert len(received) == len(values)
    assert all(
        one == other or (math.isnan(one) and math.isnan(other)) for one, other in zip(received, values, strict=True)
    )


def _layout(**fields: object) -> pb.Layout:
    metric = {"name": "cpu.percent", "unit": "percent", "kind": pb.KIND_RATE, "help": "", "instance_label": ""} | fields
    return pb.Layout(metrics=[pb.Metric(**metric)], series=[pb.Series()])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (pb.Layout(), "1 to 10000 series, not 0"),
        (pb.Layout(series=[pb.Series()] * (wire.MAX_SERIES + 1)), "not 10001"),
        (pb.Layout(series=[pb.Series(metric=0)]), "does not have"),
        (_layout(name="CPU"), "no metric's name"),
        (_layout(name="cpu.percent\n"), "no metric's name"),
        (_layout(unit="%"), "no unit"),
        (_layout(instance_label="A b"), "no instance label"),
        (_layout(kind=99), "kind 99"),
        (_layout(help="x" * 513), "a help text is longer than 512"),
        (_layout(help="\x1b[2J"), "cannot be printed"),
        (_layout(), "not the hash"),
    ],
)
def test_a_layout_that_does_not_keep_the_contract_is_refused(message: pb.Layout, sentence: str) -> None:
    with pytest.raises(wire.RefusedError, match=sentence):
        wire.layout_from_wire(message)


@pytest.mark.parametrize(("instance", "sentence"), [("x" * 513, "longer than 512"), ("\0", "cannot be printed")])
def test_an_instance_that_cannot_be_shown_is_refused(instance: str, sentence: str) -> None:
    message = _layout()
    message.series[0].instance = instance
    with pytest.raises(wire.RefusedError, match=f"an instance .*{sentence}"):
        wire.layout_from_wire(message)


def test_a_layout_that_names_a_series_twice_is_refused() -> None:
    with pytest.raises(wire.RefusedError, match="a series twice"):
        wire.layout_from_wire(wire.layout_to_wire(Layout(LAYOUT.series * 2)))


def _hello(**fields: object) -> pb.Hello:
    good = {"machine": "web1", "stream": b"s" * 16, "interval_seconds": 5.0, "agent_version": "0.1.0"}
    return pb.Hello(**(good | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("interval", [0.1, 5.0, 3600.0])
@pytest.mark.parametrize("machine", ["a", "web-1.example_x", "A" * 128])
def test_a_hello_that_keeps_the_contract_is_let_through(machine: str, interval: float) -> None:
    tags = ["web", "rack:4", "a=b/c.d-e_f", "X" * 64, *map(str, range(12))]
    wire.check_hello(_hello(machine=machine, interval_seconds=interval, facts={"os": "Débian"}, tags=tags))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"machine": ""}, "no machine name"),
        ({"machine": "a" * 129}, "no machine name"),
        ({"machine": "web1\n"}, "no machine name"),
        ({"machine": "-rf"}, "no machine name"),
        ({"machine": "wéb"}, "no machine name"),
        ({"stream": b"s" * 15}, "16 bytes, not 15"),
        ({"interval_seconds": 0.05}, "0.1 to 3600"),
        ({"interval_seconds": 3601}, "0.1 to 3600"),
        ({"interval_seconds": math.nan}, "0.1 to 3600"),
        ({"agent_version": "\x1b"}, "the agent version"),
        ({"facts": {str(number): "" for number in range(65)}}, "at most 64 facts"),
        ({"facts": {"a\nb": ""}}, "a fact's name"),
        ({"facts": {"os": "x" * 513}}, "a fact is longer"),
        ({"tags": [str(number) for number in range(17)]}, "at most 16 tags, not 17"),
        ({"tags": ["web", "prod", "web"]}, "web is given twice"),
        *(({"tags": ["web", tag]}, "is no tag") for tag in ("", "a b", "a,b", "a\n", "wéb", "<b>", "x" * 65)),
    ],
)
def test_a_hello_that_does_not_keep_the_contract_is_refused(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(wire.RefusedError, match=sentence):
        wire.check_hello(_hello(**fields))


@given(st.text(max_size=600))
def test_a_refusal_never_holds_what_could_move_a_terminal(machine: str) -> None:
    if wire.MACHINE_NAME.fullmatch(machine):
        return
    with pytest.raises(wire.RefusedError) as refusal:
        wire.check_hello(pb.Hello(machine=machine.encode(errors="replace").decode()))
    assert str(refusal.value).isprintable()


def _frame(**fields: object) -> pb.Frame:
    return pb.Frame(**({"seq": 1, "time_us": NOW_US, "values": [1.0]} | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"values": [math.nan]},
        {"seq": wire.MAX_SEQ},
        {"time_us": wire.EARLIEST_US},
        {"time_us": NOW_US + wire.FUTURE_US},
    ],
)
def test_a_frame_that_keeps_the_contract_is_let_through(fields: dict[str, object]) -> None:
    wire.check_frame(_frame(**fields), LAYOUT, NOW_US)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"values": []}, "0 values for 1 series"),
        ({"values": [1.0, 2.0]}, "2 values for 1 series"),
        ({"seq": 0}, "a seq is 1 to"),
        ({"seq": wire.MAX_SEQ + 1}, "a seq is 1 to"),
        ({"time_us": wire.EARLIEST_US - 1}, "before all that is kept"),
        ({"time_us": NOW_US + wire.FUTURE_US + 1}, "more than a day ahead"),
        ({"values": [math.inf]}, "infinite"),
        ({"values": [-math.inf]}, "infinite"),
    ],
)
def test_a_frame_that_does_not_keep_the_contract_is_refused(fields: dict[str, object], sentence: str) -> None:
    with pytest.raises(wire.RefusedError, match=sentence):
        wire.check_frame(_frame(**fields), LAYOUT, NOW_US)


def test_a_frame_of_before_all_that_is_kept_is_refused() -> None:
    wire.check_frame(_frame(time_us=NOW_US - 5), LAYOUT, NOW_US, earliest_us=NOW_US - 5)
    with pytest.raises(wire.RefusedError, match="before all that is kept"):
        wire.check_frame(_frame(time_us=NOW_US - 6), LAYOUT, NOW_US, earliest_us=NOW_US - 5)


def _event(**fields: object) -> pb.Event:
    good: dict[str, object] = {"kind": "unit.failed", "severity": pb.SEVERITY_WARNING, "time_us": NOW_US}
    return pb.Event(**(good | {"message": "nginx.service has failed"} | fields))  # type: ignore[arg-type]


MANY_CHARACTERS = {f"f{number}": "x" * 512 for number in range(16)}


@pytest.mark.parametrize(
    "events",
    [
        [_event()] * wire.MAX_EVENTS,
        [_event(severity=pb.SEVERITY_UNSPECIFIED, message="", fields={"unit": "nginx.service", "exit_code": "é"})],
        [_event(kind="nixos.generation_activated", message="x" * 512, fields=MANY_CHARACTERS)] * 50,
    ],
)
def test_a_frame_with_events_that_keep_the_contract_is_let_through(events: list[pb.Event]) -> None:
    wire.check_frame(_frame(events=events), LAYOUT, NOW_US)


@pytest.mark.parametrize(
    ("events", "sentence"),
    [
        ([_event()] * (wire.MAX_EVENTS + 1), "at most 100 events"),
        ([_event(kind="failed")], "no kind of event"),
        ([_event(kind="Unit.failed")], "no kind of event"),
        ([_event(kind="unit.failed\n")], "no kind of event"),
        ([_event(kind="")], "no kind of event"),
        ([_event(), _event(kind="alert.firing")], "the hub's own"),
        ([_event(kind="machine.new")], "the hub's own"),
        ([_event(kind="samples.lost")], "the hub's own"),
        ([_event(kind="events.dropped")], "the hub's own"),
        ([_event(severity=4)], "severity 4 is not known"),
        ([_event(message="x" * 513)], "message is longer"),
        ([_event(message="a\x1b[2Jb")], "message has characters"),
        ([_event(fields={f"f{number}": "" for number in range(17)})], "at most 16 fields"),
        ([_event(fields={"": "x"})], "name of an event's field"),
        ([_event(fields={"Unit": "x"})], "name of an event's field"),
        ([_event(fields={"unit": "x" * 513})], "field is longer"),
        ([_event(fields={"unit": "a\nb"})], "field has characters"),
        ([_event(message="x" * 512, fields=MANY_CHARACTERS)] * 61, "characters in all"),
    ],
)
def test_a_frame_with_events_that_do_not_keep_the_contract_is_refused(events: list[pb.Event], sentence: str) -> None:
    with pytest.raises(wire.RefusedError, match=sentence) as refusal:
        wire.check_frame(_frame(events=events), LAYOUT, NOW_US)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("count", [0, 1, 61, 101, 1000])
def test_as_many_events_as_fit_keep_the_contract_and_one_more_does_not(count: int) -> None:
    for one in (_event(), _event(message="x" * 512, fields=MANY_CHARACTERS)):
        fitting = wire.events_that_fit([one] * count)
        wire.check_events([one] * fitting)
        if fitting < count:
            with pytest.raises(wire.RefusedError):
                wire.check_events([one] * (fitting + 1))


@pytest.mark.parametrize(
    ("frame_us", "event_us", "stored_us"),
    [
        (NOW_US, NOW_US - 5, NOW_US - 5),
        (NOW_US, 0, NOW_US),
        (NOW_US - 7, NOW_US + wire.FUTURE_US + 1, NOW_US - 7),
        (5, NOW_US - 3, NOW_US - 3),
        (5, -(2**62), NOW_US),
    ],
)
def test_an_event_at_a_time_that_cannot_be_has_that_of_its_frame(frame_us: int, event_us: int, stored_us: int) -> None:
    frame = _frame(time_us=frame_us, events=[_event(time_us=event_us)])
    wire.mend_event_times(frame, NOW_US, earliest_us=NOW_US - 1000)
    assert (frame.time_us, frame.events[0].time_us) == (frame_us, stored_us)


def test_a_frame_without_its_events_is_the_same_else() -> None:
    frame = _frame()
    assert wire.without_events(frame) is frame
    assert wire.without_events(_frame(events=[_event()])) == frame


def _no_constants(word: str) -> float:
    raise AssertionError(f"{word} is not JSON")


@given(st.lists(float32s))
def test_values_as_json_are_valid_and_equal_to_six_digits(values: list[float]) -> None:
    """Valid in the strict sense, which knows no NaN and no Infinity; what is no number is null."""
    texts = json.loads(wire.json_values(values), parse_constant=_no_constants)
    for written, value in zip(texts, values, strict=True):
        if math.isfinite(value):
            assert math.isclose(written, value, rel_tol=1e-6)
        else:
            assert written is None
