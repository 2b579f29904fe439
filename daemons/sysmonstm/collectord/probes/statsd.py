"""What local programs report of themselves by StatsD lines, and how much of that was refused or thrown away."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from sysmonstm.collectord.probe import Probe, Rates, Row
from sysmonstm.collectord.statsd.aggregate import Aggregate
from sysmonstm.collectord.statsd.intake import Counts
from sysmonstm.collectord.statsd.words import Reason
from sysmonstm.metric import Kind, Metric, Unit

LINES = Metric("statsd.lines", Unit.COUNT_PER_SECOND, Kind.RATE, "Lines of local programs that were taken")
REFUSED = Metric(
    "statsd.refused", Unit.COUNT_PER_SECOND, Kind.RATE, "Lines of local programs that were refused", "reason"
)
SHED = Metric(
    "statsd.shed",
    Unit.PERCENT,
    Kind.RATE,
    "Time in which lines of local programs were thrown away unread: there were too many",
)
SERIES = Metric("statsd.series", Unit.COUNT, Kind.GAUGE, "Series of local programs")


class StatsdProbe(Probe):
    """The series that local programs make, behind what is said of the socket; `counts` is asked in any thread."""

    name = "statsd"
    metrics = (LINES, REFUSED, SHED, SERIES)

    def __init__(self, aggregate: Aggregate, counts: Callable[[], Counts]) -> None:
        self._aggregate = aggregate
        self._counts = counts
        self._rates = Rates()
        self._started = False

    def declares(self, metric: Metric) -> bool:
        """Programs may name metrics as they like, but for names that are the collector's own."""
        return metric in self.metrics or self._aggregate.names.free(metric.name)

    def read(self, now: float) -> Iterable[Row]:
        """Rates since the last reading. The first one goes nowhere: it leaves what has been reported for the second."""
        counts = self._counts()
        refused = {reason.value: [counts.refused[reason]] for reason in Reason}
        rates = self._rates.since_last(now, {"lines": [counts.lines], "shut": [counts.shut_seconds], **refused})
        yield LINES, "", rates["lines"][0]
        for reason in Reason:
            yield REFUSED, reason.value, rates[reason.value][0]
        shut = rates["shut"][0]
        # A time for which it was shut counts when it ends, and may have begun before.
        yield SHED, "", shut if math.isnan(shut) else min(100 * shut, 100.0)
        yield SERIES, "", self._aggregate.size
        if self._started:
            yield from self._aggregate.rows(now)
        self._started = True
