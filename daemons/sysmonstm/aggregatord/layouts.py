"""The layouts that this aggregator knows, by id: what a frame is checked against."""

from __future__ import annotations

from sysmon.v1 import ingest_pb2
from sysmonstm.metric import Layout
from sysmonstm.wire import layout_from_wire

# More series, all layouts together, than a fleet has in use, in some 150 MB: what hostile collectors invent beyond it
# only makes the hub ask again.
MAX_SERIES_IN_ALL = 1_000_000


class LayoutBook:
    """Checked layouts; the oldest go when there are too many (a collector is then asked for it again)."""

    def __init__(self) -> None:
        self._layouts: dict[bytes, Layout] = {}
        self._series = 0

    def get(self, layout_id: bytes) -> Layout | None:
        """The layout, if it is known."""
        return self._layouts.get(layout_id)

    def learn(self, message: ingest_pb2.Layout) -> Layout:
        """Check a layout and remember it; RefusedError if it does not keep the contract."""
        layout = self._layouts.get(message.id)
        if layout is None:
            layout = layout_from_wire(message)
            self._make_room(len(layout.series))
            self._layouts[layout.id] = layout
            self._series += len(layout.series)
        return layout

    def _make_room(self, series: int) -> None:
        while self._layouts and self._series + series > MAX_SERIES_IN_ALL:
            oldest = self._layouts.pop(next(iter(self._layouts)))
            self._series -= len(oldest.series)
