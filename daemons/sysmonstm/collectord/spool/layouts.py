"""The layouts of frames in the spool, those of late in memory."""

from __future__ import annotations

from collections import OrderedDict

from google.protobuf.message import DecodeError

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.metric import Layout
from sysmonstm.wire import RefusedError, layout_from_wire

# A machine has one at a time, and seldom a new one.
MOST_LAYOUTS = 32


class Layouts:
    """By id; the least lately used make way. Also remembers which ids were looked for in vain."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Layout | None] = OrderedDict()

    def learn(self, payload: bytes) -> None:
        """Take in a serialized pb.Layout; what is none is passed over."""
        try:
            message = pb.Layout.FromString(payload)
            if self._known.get(message.id) is None:
                self.add(layout_from_wire(message))
        except (DecodeError, RefusedError):
            return

    def add(self, layout: Layout) -> None:
        """Know a layout."""
        self._put(layout.id, layout)

    def miss(self, layout_id: bytes) -> None:
        """It is nowhere."""
        self._put(layout_id, None)

    def looked_for(self, layout_id: bytes) -> bool:
        """Whether it is known, or known to be nowhere."""
        return layout_id in self._known

    def get(self, layout_id: bytes) -> Layout | None:
        """The layout, if it is known."""
        if layout_id in self._known:
            self._known.move_to_end(layout_id)
        return self._known.get(layout_id)

    def _put(self, layout_id: bytes, layout: Layout | None) -> None:
        self._known[layout_id] = layout
        self._known.move_to_end(layout_id)
        if len(self._known) > MOST_LAYOUTS:
            self._known.popitem(last=False)
