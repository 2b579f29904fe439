"""One segment file: what is known of it, and its records, streamed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sysmonstm.collectord.spool import records
from sysmonstm.collectord.spool.files import File
from sysmonstm.collectord.spool.records import HEADER_BYTES, MARK, PREFIX_BYTES, Header

# What is read at once: a record that is larger is read whole.
CHUNK_BYTES = 64 * 1024


class Segment:
    """A segment that is there. `last_seq` is the last that it may hold, before `header.first_seq` if it holds none."""

    __slots__ = ("header", "last_seq", "name", "salt", "size")

    def __init__(self, name: str, header: Header, size: int) -> None:
        self.name = name
        self.header = header
        self.salt = header.salt
        # Of what was written in whole; where a write was cut short the file may be longer.
        self.size = size
        self.last_seq = header.first_seq - 1

    @property
    def holds_frames(self) -> bool:
        """Whether there is any."""
        return self.last_seq >= self.header.first_seq


class Record(NamedTuple):
    """A record that is whole, and where in the file it is."""

    kind: int
    seq: int
    payload: bytes
    start: int
    end: int


def records_of(file: File, salt: int, start: int, end: int) -> Iterator[Record]:
    """The records that are whole from the offset `start` up to `end`; damaged ones are passed over.

    Reads as it goes. OSError where the file cannot be read.
    """
    window = _Window(file, end)
    offset = max(start, HEADER_BYTES)
    while (found := _record_at(window, offset, salt)) is not None or offset + PREFIX_BYTES <= window.end:
        if found is None:
            offset = window.find(MARK, offset + 1)
        else:
            yield found
            offset = found.end


def _record_at(window: _Window, offset: int, salt: int) -> Record | None:
    """The record at an offset, if there is a whole one."""
    if offset + PREFIX_BYTES > window.end:
        return None
    data, at = window.at(offset, PREFIX_BYTES)
    if len(data) < at + PREFIX_BYTES or not data.startswith(MARK, at):
        return None
    length = records.payload_length(data, at)
    end = offset + PREFIX_BYTES + length
    # A length that was damaged may be anything; one that leaves the file costs nothing.
    if end > window.end:
        return None
    data, at = window.at(offset, end - offset)
    found = records.decoded(data, at, length, salt) if len(data) >= at + end - offset else None
    return None if found is None else Record(*found, offset, end)


class _Window:
    """The part of a file that is in memory."""

    def __init__(self, file: File, end: int) -> None:
        self._file = file
        # Where the file ends, if that is found to be earlier than it should.
        self.end = end
        self._offset = 0
        self._data = b""

    def at(self, offset: int, size: int) -> tuple[bytes, int]:
        """Bytes in which `size` bytes from `offset` on are, and where; fewer only behind `end`."""
        at = offset - self._offset
        if at < 0 or at + size > len(self._data):
            wanted = min(max(size, CHUNK_BYTES), self.end - offset)
            self._data = self._file.read(offset, wanted)
            self._offset, at = offset, 0
            if len(self._data) < wanted:
                self.end = offset + len(self._data)
        return self._data, at

    def find(self, what: bytes, offset: int) -> int:
        """Where `what` is next, from `offset` on; the end if it is nowhere."""
        while offset + len(what) <= self.end:
            data, at = self.at(offset, len(what))
            found = data.find(what, at)
            if found >= 0:
                return self._offset + found
            offset = max(offset, self._offset + len(data) - len(what)) + 1
        return self.end
