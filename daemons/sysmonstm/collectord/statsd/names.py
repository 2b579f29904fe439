"""Which series a line is about: names and tags that programs chose become metrics and instances of this machine. Pure.

`Shop.orders.paid` is the metric `shop.orders_paid`, `orders` is `local.orders`; tags become the instance, sorted:
`region=eu,tier=1`. A metric may have a series without tags beside those with tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from sysmonstm.collectord.statsd.words import Reason, RefusedError, Type
from sysmonstm.metric import METRIC_NAME, Kind, Metric, Unit
from sysmonstm.wire import HUB_FAMILIES

FAMILY_OF_BARE_NAMES = "local"
MOST_TAGS = 16
MOST_TAGS_CHARACTERS = 200
INSTANCE_LABEL = "tags"

_TYPES = {
    b"g": Type.GAUGE,
    b"c": Type.COUNTER,
    b"ms": Type.TIMER,
    b"h": Type.DISTRIBUTION,
    b"d": Type.DISTRIBUTION,
}
_UNITS = {"seconds": Unit.SECONDS, "bytes": Unit.BYTES, "percent": Unit.PERCENT}
_MAPPED = re.compile(r"[^a-z0-9_.]")


class Name(NamedTuple):
    """A metric's name, without what its type adds, and the instance: empty without tags."""

    metric: str
    instance: str


def type_of(text: bytes) -> Type:
    """The type that a line says; RefusedError if it is not taken."""
    found = _TYPES.get(text)
    if found is None:
        which = "sets are not taken" if text == b"s" else "a type is g, c, ms, h or d"
        raise RefusedError(Reason.SYNTAX, which)
    return found


class Names:
    """Names for local programs, which are never those of `own`: what the collector measures itself."""

    def __init__(self, own: Iterable[Metric]) -> None:
        own = tuple(own)
        self._families = HUB_FAMILIES | {metric.family for metric in own}
        self._flat = tuple(flat(metric.name) for metric in own)
        self._flat_longer = tuple(f"{name}_" for name in self._flat)

    def free(self, metric: str) -> bool:
        """Whether local programs may have a metric of this name."""
        # Where there are no dots, `memory_swap.used` would be the collector's `memory.swap_used`.
        name = flat(metric)
        return (
            metric.partition(".")[0] not in self._families
            and name not in self._flat
            and not name.startswith(self._flat_longer)
        )

    def resolve(self, name: bytes, tags: bytes) -> Name:
        """The series that a line means; RefusedError if there can be none of it."""
        return Name(self._checked(_metric_name(name)), _instance(tags) if tags else "")

    def declared(self, kind: Type, name: Name) -> tuple[Metric, ...]:
        """The metrics that a series of a program's becomes; RefusedError if their names are too long, or not free."""
        made = tuple(_metrics(kind, name.metric, INSTANCE_LABEL if name.instance else ""))
        if not all(METRIC_NAME.fullmatch(metric.name) for metric in made):
            raise RefusedError(
                Reason.NAME,
                "a name is a family of at most 32 and the rest of at most 64 letters, digits and '_', "
                "less what a timer adds, and both begin with a letter",
            )
        for metric in made:
            self._checked(metric.name)
        return made

    def _checked(self, metric: str) -> str:
        if not self.free(metric):
            raise RefusedError(Reason.TAKEN, f"{metric} is a name of the collector's or the hub's own")
        return metric


def flat(metric: str) -> str:
    """A metric's name where dots are no part of names, as for Prometheus."""
    return metric.replace(".", "_")


def _metrics(kind: Type, name: str, label: str) -> Iterable[Metric]:
    unit = _UNITS.get(re.split("[._]", name)[-1], Unit.COUNT)
    if kind is Type.GAUGE:
        yield Metric(name, unit, Kind.GAUGE, "Level that a local program reports", label)
    elif kind is Type.COUNTER:
        per_second = Unit.BYTES_PER_SECOND if unit is Unit.BYTES else Unit.COUNT_PER_SECOND
        yield Metric(name, per_second, Kind.RATE, "What a local program counts", label)
    else:
        unit = Unit.SECONDS if kind is Type.TIMER else unit
        what = "times" if kind is Type.TIMER else "values"
        since = f"of the {what} that a local program reported since the sample before"
        yield Metric(f"{name}_mean", unit, Kind.GAUGE, f"Mean {since}", label)
        yield Metric(f"{name}_p95", unit, Kind.GAUGE, f"95th percentile {since}", label)
        yield Metric(f"{name}_max", unit, Kind.GAUGE, f"Greatest {since}", label)
        yield Metric(
            f"{name}_rate", Unit.COUNT_PER_SECOND, Kind.RATE, f"How many {what} a local program reports", label
        )


def _metric_name(name: bytes) -> str:
    text = _ascii(name, Reason.NAME, "a name is of printable ASCII characters").lower()
    parts = [part for part in _MAPPED.sub("_", text).split(".") if part]
    if not parts:
        raise RefusedError(Reason.NAME, "a line has a name before its colon")
    if len(parts) == 1:
        parts.insert(0, FAMILY_OF_BARE_NAMES)
    return f"{parts[0]}.{'_'.join(parts[1:])}"


def _instance(tags: bytes) -> str:
    text = _ascii(tags, Reason.NAME, "tags are of printable ASCII characters")
    if len(text) > MOST_TAGS_CHARACTERS or text.count(",") >= MOST_TAGS:
        raise RefusedError(Reason.NAME, f"a line has at most {MOST_TAGS} tags of {MOST_TAGS_CHARACTERS} characters")
    found = set()
    for tag in filter(None, text.split(",")):
        name, colon, value = tag.partition(":")
        if not name or "=" in name:
            raise RefusedError(Reason.NAME, "a tag is name:value, and '=' is no part of its name")
        found.add(f"{name}={value}" if colon else name)
    return ",".join(sorted(found))


def _ascii(raw: bytes, reason: Reason, sentence: str) -> str:
    # Which other characters can be printed depends on the Unicode tables of Python: the hub might refuse the layout.
    text = raw.decode("ascii", errors="replace")
    if not (text.isascii() and text.isprintable()):
        raise RefusedError(reason, sentence)
    return text
