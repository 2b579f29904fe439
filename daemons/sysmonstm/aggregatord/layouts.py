"""The layouts that this aggregator knows, by id: what a frame is checked against."""

from __future__ import annotations

from sysmon.v1 import ingest_pb2
from sysmonstm.metric import Layout
from sysmonstm.wire import layout_from_wire

# More than a fleet has in use: what hostile collectors invent beyond it only makes the hub ask again.
MAX_LAYOUTS = 10_000


class LayoutBook:
    """Checked layouts; the oldest goes when there are too many (a collector is then asked for it again)."""

    def __init__(self) -> None:
        self._layouts: dict[bytes, Layout] = {}

    def get(self, layout_id: bytes) -> Layout | None:
        """The layout, if it is known."""
        return self._layouts.get(layout_id)

    def learn(self, message: ingest_pb2.Layout) -> Layout:
        """Check a layout and remember it; RefusedError if it does not keep the contract."""
        layout = self._layouts.get(message.id)
        if layout is None:
            layout = layout_from_wire(message)
            if len(self._layouts) >= MAX_LAYOUTS:
                del self._layouts[next(iter(self._layouts))]
            self._layouts[layout.id] = layout
        return layout
