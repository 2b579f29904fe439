"""One frame is made unknown, whole as it is, however the bytes are cut into pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.faults.http2 import DATA, PREFACE_BYTES, UNKNOWN_BIT, Frames

HEADERS = 1


def frame(kind: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, 0]) + (1).to_bytes(4, "big") + payload


@given(
    kinds=st.lists(st.tuples(st.sampled_from([DATA, HEADERS]), st.binary(max_size=40)), max_size=6),
    size=st.integers(1, 30),
)
def test_only_the_type_of_data_frames_is_changed(kinds: list[tuple[int, bytes]], size: int) -> None:
    preface = bytes(PREFACE_BYTES)
    sent = preface + b"".join(frame(kind, payload) for kind, payload in kinds)
    frames = Frames(PREFACE_BYTES)
    heard = b"".join(frames.passed(sent[at : at + size], lambda: True) for at in range(0, len(sent), size))
    changed = [(kind | UNKNOWN_BIT if kind == DATA else kind, payload) for kind, payload in kinds]
    assert heard == preface + b"".join(frame(kind, payload) for kind, payload in changed)
