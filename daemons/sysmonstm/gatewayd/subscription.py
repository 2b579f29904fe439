"""What a WebSocket client asks to be shown. What it says is hostile until it has been read here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sysmonstm.metric import METRIC_NAME
from sysmonstm.wire import MAX_TEXT

MAX_MACHINES = 2000
MAX_METRICS = 64
# Who watches more machines than these watches a fleet, where a second more or less is not seen.
FEW_MACHINES = 16
USAGE = 'the only message is {"type":"subscribe","machines":["web1"],"metrics":["cpu.percent"]}; null is all'


@dataclass(frozen=True, slots=True)
class Subscription:
    """Names of machines and of metrics; None is all."""

    machines: frozenset[str] | None = None
    metrics: frozenset[str] | None = None

    @property
    def narrow(self) -> bool:
        """Whether it is about few machines, however large the fleet is."""
        return self.machines is not None and len(self.machines) <= FEW_MACHINES


EVERYTHING = Subscription()


def from_message(text: str) -> Subscription:
    """What a client asks for in a message; ValueError, which says how, if it asks for nothing that there is."""
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("this is not JSON") from None
    if not isinstance(asked, dict) or asked.get("type") != "subscribe":
        raise ValueError(USAGE)
    metrics = _names(asked, "metrics", MAX_METRICS)
    return Subscription(_names(asked, "machines", MAX_MACHINES), check_metrics(metrics))


def from_query(query: Mapping[str, str]) -> Subscription:
    """What a client asks for in its address, names separated by commas; ValueError as for a message."""
    unknown = query.keys() - {"machines", "metrics"}
    if unknown:
        raise ValueError(
            f"there is no parameter {min(unknown)[:MAX_TEXT]!r} here; /api/openapi.json says what there is"
        )
    asked: dict[str, list[str]] = {}
    for name, text in query.items():
        if name in asked:
            raise ValueError(f"'{name}' is given more than once; separate names by commas")
        asked[name] = text.split(",") if text else []
    metrics = _names(asked, "metrics", MAX_METRICS)
    return Subscription(_names(asked, "machines", MAX_MACHINES), check_metrics(metrics))


def check_metrics(names: frozenset[str] | None) -> frozenset[str] | None:
    """The names; ValueError if one cannot be a metric's."""
    for name in names or ():
        if not METRIC_NAME.fullmatch(name):
            raise ValueError(f'"metrics" are names such as "cpu.percent", and {name[:MAX_TEXT]!r} cannot be one')
    return names


def _names(asked: Mapping[str, object], member: str, most: int) -> frozenset[str] | None:
    names = asked.get(member)
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f'"{member}" is a list of names, or null for all')
    if len(names) > most:
        raise ValueError(f'"{member}" is a list of at most {most} names, or null for all')
    return frozenset(names)
