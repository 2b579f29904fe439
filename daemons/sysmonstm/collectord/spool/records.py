"""The format of a segment file: its header, and records one behind the other. Nothing here reads or writes a file.

A segment begins with its header, twice, so that no single damaged byte costs more than one record. A record is a mark,
the length of its payload, a CRC-32, its kind, a seq and the payload, integers little-endian. The checksum starts from
that of the segment's header: what an earlier life of the disk's blocks left behind is never taken for a record.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from sysmon.v1 import ingest_pb2 as pb

MAGIC = b"sysmon spool"
VERSION = 1
MARK = b"\xf5\x9aR\xc3"

# Magic, version, stream, boot, first seq, acknowledged seq.
_HEADER = struct.Struct("<12sH16s16sQQ")
_CRC = struct.Struct("<I")
_COPY_BYTES = _HEADER.size + _CRC.size
HEADER_BYTES = 2 * _COPY_BYTES

# Mark, length of the payload, CRC-32 of all that comes after it and of the length.
_PREFIX = struct.Struct("<4sII")
_LENGTH = struct.Struct("<I")
_BODY = struct.Struct("<BQ")
PREFIX_BYTES = _PREFIX.size + _BODY.size

_ACK = struct.Struct("<16sQ")
_GAP = struct.Struct("<16sQB")


class Kind(IntEnum):
    """What a record is about."""

    FRAME = 1  # a serialized pb.Frame, and its seq
    LAYOUT = 2  # a serialized pb.Layout: before the first frame of the segment that has it
    ACK = 3  # a stream and the newest seq it has given out; everything of it up to seq is settled
    GAP = 4  # a stream, the last seq and the reason: what is lost from seq on


class Part(NamedTuple):
    """What a record says."""

    kind: Kind
    seq: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """What a segment is: frames of one stream from `first_seq` on, begun in one boot of the machine.

    `acknowledged_seq` is up to where the stream was settled then.
    """

    stream: bytes
    boot: bytes
    first_seq: int
    acknowledged_seq: int

    def encoded(self) -> bytes:
        """The bytes that a segment begins with."""
        fields = self._fields()
        return (fields + _CRC.pack(zlib.crc32(fields))) * 2

    @property
    def salt(self) -> int:
        """What the checksums of the segment's records start from."""
        return zlib.crc32(self._fields())

    def _fields(self) -> bytes:
        return _HEADER.pack(MAGIC, VERSION, self.stream, self.boot, self.first_seq, self.acknowledged_seq)


def decoded_header(data: bytes) -> Header | None:
    """The header at the start of `data`, by whichever copy is whole; None if neither is."""
    for start in (0, _COPY_BYTES):
        fields = data[start : start + _HEADER.size]
        check = data[start + _HEADER.size : start + _COPY_BYTES]
        if len(check) < _CRC.size or zlib.crc32(fields) != _CRC.unpack(check)[0]:
            continue
        magic, version, *rest = _HEADER.unpack(fields)
        if (magic, version) == (MAGIC, VERSION):
            return Header(*rest)
    return None


def encoded(parts: Iterable[Part], salt: int) -> bytes:
    """Records, as they are in a file."""
    pieces: list[bytes] = []
    for kind, seq, payload in parts:
        body = _BODY.pack(kind, seq)
        length = len(payload)
        crc = zlib.crc32(payload, zlib.crc32(body, zlib.crc32(_LENGTH.pack(length), salt)))
        pieces += (_PREFIX.pack(MARK, length, crc), body, payload)
    return b"".join(pieces)


def payload_length(data: bytes, start: int) -> int:
    """How long the payload of the record at `start` says it is; PREFIX_BYTES must be there."""
    return int(_LENGTH.unpack_from(data, start + len(MARK))[0])


def decoded(data: bytes, start: int, length: int, salt: int) -> tuple[int, int, bytes] | None:
    """Kind, seq and payload of the record at `start`, all of which must be there; None if it is damaged."""
    mark, _, crc = _PREFIX.unpack_from(data, start)
    body = start + _PREFIX.size
    end = start + PREFIX_BYTES + length
    found = zlib.crc32(memoryview(data)[body:end], zlib.crc32(_LENGTH.pack(length), salt))
    if mark != MARK or found != crc:
        return None
    kind, seq = _BODY.unpack_from(data, body)
    return kind, seq, data[start + PREFIX_BYTES : end]


def ack(stream: bytes, settled_seq: int, newest_seq: int) -> Part:
    """How far a stream is."""
    return Part(Kind.ACK, settled_seq, _ACK.pack(stream, newest_seq))


def gap(stream: bytes, lost: pb.Gap) -> Part:
    """Frames of the stream are lost."""
    return Part(Kind.GAP, lost.first_seq, _GAP.pack(stream, lost.last_seq, lost.reason))


def decoded_ack(payload: bytes) -> tuple[bytes, int] | None:
    """The stream that a record of an acknowledgement speaks of, and its newest seq; None if it cannot be."""
    if len(payload) != _ACK.size:
        return None
    stream, newest = _ACK.unpack(payload)
    return stream, newest


def decoded_gap(seq: int, payload: bytes) -> tuple[bytes, pb.Gap] | None:
    """The stream and the gap that a record of a gap speaks of; None if it cannot be."""
    if len(payload) != _GAP.size:
        return None
    stream, last, reason = _GAP.unpack(payload)
    if not 0 < seq <= last or reason not in pb.GapReason.values():
        return None
    return stream, pb.Gap(first_seq=seq, last_seq=last, reason=reason)
