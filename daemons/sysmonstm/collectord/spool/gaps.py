"""Which seqs of a stream are lost, and why."""

from __future__ import annotations

from collections.abc import Iterator

from sysmon.v1 import ingest_pb2 as pb


class Gaps:
    """Spans of lost seqs, apart from each other and in order."""

    def __init__(self) -> None:
        self._spans: list[pb.Gap] = []

    def __iter__(self) -> Iterator[pb.Gap]:
        return iter(self._spans)

    @property
    def seqs(self) -> int:
        """How many seqs are lost."""
        return sum(span.last_seq - span.first_seq + 1 for span in self._spans)

    def add(self, first: int, last: int, reason: pb.GapReason) -> int:
        """All from `first` to `last` are lost; how many of them are news. What was lost before keeps its reason."""
        added, start = 0, first
        for span in [*self.within(first, last), pb.Gap(first_seq=last + 1, last_seq=last + 1)]:
            if start < span.first_seq:
                self._spans.append(pb.Gap(first_seq=start, last_seq=span.first_seq - 1, reason=reason))
                added += span.first_seq - start
            start = span.last_seq + 1
        if added:
            self._tidy()
        return added

    def within(self, first: int, last: int) -> list[pb.Gap]:
        """What is lost from `first` to `last`."""
        return [
            pb.Gap(first_seq=max(first, span.first_seq), last_seq=min(last, span.last_seq), reason=span.reason)
            for span in self._spans
            if span.first_seq <= last and span.last_seq >= first
        ]

    def has(self, seq: int) -> bool:
        """Whether that one is lost."""
        return bool(self._spans) and self._spans[0].first_seq <= seq and bool(self.within(seq, seq))

    def forget(self, seq: int) -> None:
        """All up to `seq` is settled."""
        if self._spans and self._spans[0].first_seq <= seq:
            self._spans = self.within(seq + 1, self._spans[-1].last_seq)

    def _tidy(self) -> None:
        """In order, and neighbours of one reason as one."""
        tidy: list[pb.Gap] = []
        for span in sorted(self._spans, key=lambda one: one.first_seq):
            if tidy and tidy[-1].last_seq + 1 == span.first_seq and tidy[-1].reason == span.reason:
                tidy[-1] = pb.Gap(first_seq=tidy[-1].first_seq, last_seq=span.last_seq, reason=span.reason)
            else:
                tidy.append(span)
        self._spans = tidy
