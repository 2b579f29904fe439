"""Which seqs a batch speaks for: in order, none twice, and none left out without a word."""

from __future__ import annotations

from itertools import pairwise

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.wire import MAX_SEQ

# A batch has at most this many frames, and this many gaps; collectors send fewer.
MAX_FRAMES = 1000
MAX_GAPS = 1000


class Spans:
    """The first and last seq of each frame and each gap of a batch."""

    def __init__(self, batch: pb.Batch) -> None:
        self._frames = [(frame.seq, frame.seq) for frame in batch.frames]
        self._gaps = [(gap.first_seq, gap.last_seq) for gap in batch.gaps]
        self._all = sorted(self._frames + self._gaps) if self._gaps else self._frames
        self._batch = batch

    @property
    def why_not(self) -> str:
        """Why no collector sends such a batch, as a sentence; empty where it is in order."""
        if len(self._frames) > MAX_FRAMES or len(self._gaps) > MAX_GAPS or not self._all:
            return f"a batch has at most {MAX_FRAMES} frames and {MAX_GAPS} gaps, and one of either at least"
        if any(first > last for first, last in self._gaps):
            return "a gap ends before it begins"
        # To refuse only such a frame would need an Ack, and so a row, that names it.
        if min(self._all)[0] < 1 or max(self._all)[1] > MAX_SEQ:
            return f"a seq is 1 to {MAX_SEQ}"
        if any(one[1] >= other[0] for spans in (self._all, self._gaps, self._frames) for one, other in pairwise(spans)):
            return "frames and gaps come in order of seq, and none twice"
        return ""

    @property
    def last_seq(self) -> int:
        """The last that the batch speaks for."""
        return self._all[-1][1]

    def gaps(self, after_seq: int) -> list[pb.Gap]:
        """The gaps that it names, and those that it does not: what is left out in it, and since `after_seq`.

        0 there is "not known".
        """
        named = list(self._batch.gaps)
        start = after_seq or self._all[0][0] - 1
        holes = [
            pb.Gap(first_seq=last + 1, last_seq=first - 1)
            for (_, last), (first, _) in pairwise([(0, start), *self._all])
            if first > last + 1
        ]
        return sorted(named + holes, key=lambda gap: gap.first_seq) if holes else named
