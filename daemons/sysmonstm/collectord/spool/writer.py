"""Appends records to the newest segment, and knows what of it a power cut would take."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from sysmonstm.collectord.spool.files import Directory, File
from sysmonstm.collectord.spool.opening import name_of
from sysmonstm.collectord.spool.records import Header, Kind, Part, encoded
from sysmonstm.collectord.spool.segment import Segment


class Writer:
    """At most one segment is open for appending. OSError says what could not be done; what was whole stays so."""

    def __init__(self, directory: Directory, next_number: int, unsynced: Iterable[Segment]) -> None:
        """`unsynced`: segments that an earlier process may have left to be synced."""
        self._directory = directory
        self._left_unsynced = list(unsynced)
        self._next_number = next_number
        self._file: File | None = None
        self._sealed: list[tuple[Segment, File]] = []
        # Also of an earlier process's doing.
        self._directory_changed = True
        self._layouts: set[bytes] = set()
        self.segment: Segment | None = None
        # Frames written since the last sync.
        self.unsynced = 0

    @property
    def needs_sync(self) -> bool:
        """Whether there may be a frame that a power cut would take."""
        return self.unsynced > 0 or bool(self._left_unsynced)

    def has_layout(self, layout_id: bytes) -> bool:
        """Whether the open segment has that layout."""
        return layout_id in self._layouts

    def begin(self, header: Header, notes: Iterable[Part]) -> Segment:
        """Open a new segment that starts with `notes`."""
        self.seal()
        name = name_of(self._next_number)
        self._next_number += 1
        file = self._directory.create(name)
        self._directory_changed = True
        try:
            data = header.encoded() + encoded(notes, header.salt)
            file.append(data)
        except OSError:
            file.close()
            with suppress(OSError):
                self._directory.unlink(name)
            raise
        self._file, self.segment = file, Segment(name, header, len(data))
        self._layouts.clear()
        return self.segment

    def append(self, parts: Iterable[Part]) -> int:
        """Write records to the open segment, all or none; how many bytes they are."""
        assert self._file is not None
        assert self.segment is not None
        parts = list(parts)
        data = encoded(parts, self.segment.salt)
        try:
            self._file.append(data)
        except OSError:
            self._take_back()
            raise
        self.segment.size += len(data)
        for part in parts:
            if part.kind == Kind.FRAME:
                self.segment.last_seq = part.seq
                self.unsynced += 1
        return len(data)

    def layout_written(self, layout_id: bytes) -> None:
        """The open segment has that layout."""
        self._layouts.add(layout_id)

    def seal(self) -> None:
        """Append no more to the segment that is open; it is synced with the next."""
        if self._file is not None and self.segment is not None:
            self._sealed.append((self.segment, self._file))
        self._file = self.segment = None

    def deleted(self, segment: Segment) -> None:
        """The file of a segment is gone."""
        self._directory_changed = True
        if segment is self.segment:
            self.seal()
        # An open file keeps its room.
        for one in [one for one in self._sealed if one[0] is segment]:
            self._sealed.remove(one)
            one[1].close()

    def sync(self) -> None:
        """Return when all that was written would outlive a power cut.

        A file that cannot be synced is not tried again, as the kernel would not try the same bytes again; others are.
        """
        while self._left_unsynced:
            self._sync_left(self._left_unsynced.pop())
        while self._sealed:
            _sync_and_close(self._sealed.pop()[1])
        if self._file is not None:
            self._file.sync()
        if self._directory_changed:
            self._directory.sync()
            self._directory_changed = False
        self.unsynced = 0

    def close(self) -> None:
        """Let go of all files."""
        self.seal()
        while self._sealed:
            self._sealed.pop()[1].close()

    def _sync_left(self, segment: Segment) -> None:
        try:
            file = self._directory.open(segment.name)
        except FileNotFoundError:
            return
        _sync_and_close(file)

    def _take_back(self) -> None:
        """Cut off what an unsuccessful write has left; a segment that keeps it is appended to no more."""
        assert self._file is not None
        assert self.segment is not None
        try:
            self._file.cut(self.segment.size)
        except OSError:
            self.seal()


def _sync_and_close(file: File) -> None:
    try:
        file.sync()
    finally:
        file.close()
