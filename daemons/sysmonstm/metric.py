"""The words for what is measured: a metric, a series of it, and the layout that gives a frame's values their names."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

LAYOUT_ID_BYTES = 16
METRIC_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}\.[a-z][a-z0-9_]{0,63}")


class Unit(StrEnum):
    """What a metric is measured in. There are no others without a reason."""

    PERCENT = "percent"
    BYTES = "bytes"
    BYTES_PER_SECOND = "bytes/s"
    SECONDS = "seconds"
    COUNT = "count"
    # Errors, drops and switches are events: neither bytes nor a level.
    COUNT_PER_SECOND = "count/s"


class Kind(StrEnum):
    """How a metric's numbers come about."""

    GAUGE = "gauge"  # a level as it was at the sample's time
    RATE = "rate"  # a mean per second, or in percent of the time, since the sample before
    FLAG = "flag"  # 1 for yes, 0 for no


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as its probe declares it.

    `name` is `family.quantity`; `help` is one sentence for people; `instance_label` says what an instance of it is
    ("core", "mount"), and is empty for a metric with a single series.
    """

    name: str
    unit: str
    kind: Kind
    help: str
    instance_label: str = ""

    @property
    def family(self) -> str:
        """The part before the dot: what charts and probes are grouped by."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one instance ("/nix/store", "eth0"); the instance is empty for a metric with a single series."""

    metric: Metric
    instance: str = ""


def layout_id(series: tuple[Series, ...]) -> bytes:
    """The content hash of a layout, 16 bytes: equal for equal layouts, whoever computes it.

    SHA-256, cut, over each series in order: the UTF-8 of name, unit, kind, help, instance label and instance, each
    behind its length in bytes as a decimal and a colon.
    """
    digest = hashlib.sha256()
    for one in series:
        metric = one.metric
        for text in (metric.name, metric.unit, metric.kind, metric.help, metric.instance_label, one.instance):
            raw = text.encode()
            digest.update(b"%d:%s" % (len(raw), raw))
    return digest.digest()[:LAYOUT_ID_BYTES]


@dataclass(frozen=True)
class Layout:
    """The ordered series of a frame: position i names the frame's value i."""

    series: tuple[Series, ...]

    @cached_property
    def id(self) -> bytes:
        """The content hash, 16 bytes."""
        return layout_id(self.series)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric of the layout once, in the order of its first series."""
        return tuple(dict.fromkeys(one.metric for one in self.series))

    @cached_property
    def positions(self) -> dict[str, list[int]]:
        """For each metric's name the positions of its series."""
        found: dict[str, list[int]] = {}
        for position, one in enumerate(self.series):
            found.setdefault(one.metric.name, []).append(position)
        return found
