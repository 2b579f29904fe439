"""Errors in the journal, by unit: who complains, and since when."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sysmonstm.collectord.journal.access import why_unreadable
from sysmonstm.collectord.journal.errors import JournalErrors
from sysmonstm.collectord.probe import Probe, Row
from sysmonstm.metric import Kind, Metric, Unit

ERRORS = Metric(
    "journal.errors",
    Unit.COUNT,
    Kind.GAUGE,
    "Entries of priority err and worse in the last minute; of units that ever wrote one",
    "unit",
)
TOTAL = Metric(
    "journal.errors_total", Unit.COUNT, Kind.GAUGE, "Entries of priority err and worse in the last minute, of all units"
)
SKIPPED = Metric(
    "journal.skipped",
    Unit.SECONDS,
    Kind.GAUGE,
    "How much of the journal was not counted since the collector started, as errors came too fast",
)


class JournalProbe(Probe):
    """What a follower has counted; it runs apart from the samples."""

    name = "journal"
    metrics = (ERRORS, TOTAL, SKIPPED)

    def __init__(self, errors: JournalErrors, why_missing: Callable[[], str] = why_unreadable) -> None:
        self._errors = errors
        self._why_missing = why_missing

    def missing(self) -> str:
        """A machine without a journal, or one that this process may not read."""
        return self._why_missing()

    def read(self, now: float) -> Iterable[Row]:
        """Counts of the last minute; OSError while nothing is counted, as that is no zero."""
        if self._errors.trouble:
            raise OSError(self._errors.trouble)
        counts = self._errors.counts(now)
        for unit, errors in counts.units.items():
            yield ERRORS, unit, errors
        yield TOTAL, "", counts.total
        yield SKIPPED, "", counts.skipped_seconds
