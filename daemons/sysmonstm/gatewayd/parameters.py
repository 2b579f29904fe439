"""Reads what clients ask for in a path or a query string; nonsense is a problem that names the parameter."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sysmonstm.metric import METRIC_NAME
from sysmonstm.problem import ProblemError, bad_parameter, not_found
from sysmonstm.wire import MACHINE_NAME, MAX_TEXT, STREAM_BYTES

DEFAULT_POINTS = 500
MAX_POINTS = 5000
MAX_METRICS = 64
# Of one question about many machines.
MAX_MACHINES = 100
DEFAULT_EVENTS = 100
MAX_EVENTS = 1000
DEFAULT_REJECTS = 100
MAX_REJECTS = 1000
DEFAULT_RANGE_US = 3_600_000_000
# What a bigint holds.
MAX_ID = 2**63 - 1
EARLIEST_US = 0
LATEST_US = 4_102_444_800_000_000  # 2100-01-01

_WHOLE_NUMBER = re.compile(r"[0-9]{1,100}")
_STREAM = re.compile(rf"[0-9a-fA-F]{{{2 * STREAM_BYTES}}}")
_SECONDS = re.compile(r"-?[0-9]{1,20}(\.[0-9]{0,20})?")

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HistoryRequest:
    """A question to /history. Times in microseconds since 1970; None is every instance, and every stream."""

    metric: str
    instance: str | None
    from_us: int
    to_us: int
    points: int
    stream: bytes | None = None


@dataclass(frozen=True, slots=True)
class FleetHistoryRequest:
    """A question to /api/history. Times in microseconds since 1970; no machine twice; None is every instance."""

    metric: str
    machines: tuple[str, ...]
    instance: str | None
    from_us: int
    to_us: int
    points: int


@dataclass(frozen=True, slots=True)
class EventsRequest:
    """A question to /api/events. Times in microseconds since 1970, `to_us` excluded; None is no bound.

    Of a `family` of kinds ("alert"), or of a `kind` and then of its family too. In a range of time `before` is the id
    of an event at `to_us`, with which the page before ended.
    """

    machine: str | None
    family: str | None
    kind: str | None
    before: int | None
    from_us: int | None
    to_us: int | None
    limit: int

    @property
    def ranged(self) -> bool:
        """Whether it is about a range of time."""
        return self.from_us is not None or self.to_us is not None


def only(given: Iterable[str], known: Container[str]) -> None:
    """Refuse names of parameters that are not known here, or given twice: what is mistyped must not be passed over."""
    seen: set[str] = set()
    for name in given:
        if name not in known:
            raise bad_parameter(
                name[:MAX_TEXT],
                f"there is no parameter {name[:MAX_TEXT]!r} here; /api/openapi.json says what there is",
            )
        if name in seen:
            raise bad_parameter(name, f"'{name}' is given more than once")
        seen.add(name)


def machine_name(text: str) -> str:
    """A machine's name in a path."""
    if not MACHINE_NAME.fullmatch(text):
        raise unknown_machine(text)
    return text


def unknown_machine(name: str) -> ProblemError:
    """There is no such machine."""
    return not_found("machine", f"no machine is named {name[:MAX_TEXT]!r}; /api/machines lists them")


def history_request(query: Query, now_us: int) -> HistoryRequest:
    """What /history is asked for."""
    metric = _metric(query, "metric")
    from_us, to_us = _range(_time(query, "from"), _time(query, "to"), now_us)
    points = whole_number(query, "points", DEFAULT_POINTS, MAX_POINTS)
    return HistoryRequest(metric, text(query, "instance"), from_us, to_us, points, _stream(text(query, "stream")))


def fleet_history_request(query: Query, now_us: int) -> FleetHistoryRequest:
    """What /api/history is asked for."""
    metric, machines = _metric(query, "metric"), _machines(query, "machines")
    from_us, to_us = _range(_time(query, "from"), _time(query, "to"), now_us)
    points = whole_number(query, "points", DEFAULT_POINTS, MAX_POINTS)
    return FleetHistoryRequest(metric, machines, text(query, "instance"), from_us, to_us, points)


def events_request(query: Query) -> EventsRequest:
    """What /api/events is asked for."""
    from_us, to_us = _time(query, "from"), _time(query, "to")
    if from_us is not None and to_us is not None:
        _not_empty(from_us, to_us)
    before = whole_number(query, "before", MAX_ID, MAX_ID) if "before" in query else None
    kind = text(query, "kind")
    asked = EventsRequest(
        text(query, "machine"),
        None if kind is None else kind.partition(".")[0],
        # Every kind has a dot, so that what has none is a family.
        kind if kind is not None and "." in kind else None,
        before,
        from_us,
        to_us,
        whole_number(query, "limit", DEFAULT_EVENTS, MAX_EVENTS),
    )
    if asked.from_us is not None and to_us is None and before is not None:
        raise bad_parameter("before", "in a range of time 'before' is an event's id, and needs its time as 'to'")
    return asked


def metric_names(query: Query) -> tuple[str, ...] | None:
    """The names in ?metrics=a,b, each once; None if it is not given."""
    if "metrics" not in query:
        return None
    names = tuple(dict.fromkeys(name for name in query["metrics"].split(",") if name))
    if len(names) > MAX_METRICS:
        raise bad_parameter("metrics", f"that is more than {MAX_METRICS} metrics; ask for some at a time")
    for name in names:
        if not METRIC_NAME.fullmatch(name):
            raise bad_parameter("metrics", f"{name[:MAX_TEXT]!r} is no metric's name; names look like cpu.percent")
    return names


def whole_number(query: Query, name: str, default: int, cap: int) -> int:
    """A number from 1; what is above `cap` is `cap`."""
    given = query.get(name)
    if given is None:
        return default
    if not _WHOLE_NUMBER.fullmatch(given) or int(given) < 1:
        raise bad_parameter(name, f"'{name}' is a whole number from 1, not {given[:MAX_TEXT]!r}")
    return min(int(given), cap)


def text(query: Query, name: str) -> str | None:
    """Words for a comparison; None if not given."""
    given = query.get(name)
    if given is not None and (len(given) > MAX_TEXT or not given.isprintable()):
        raise bad_parameter(name, f"'{name}' has at most {MAX_TEXT} characters, all of them printable")
    return given


def _metric(query: Query, name: str) -> str:
    metric = text(query, name)
    if not metric:
        raise bad_parameter(name, f"say which metric, as in ?{name}=cpu.percent; /api/metrics lists them")
    return metric


def _machines(query: Query, name: str) -> tuple[str, ...]:
    names = dict.fromkeys(one for one in query.get(name, "").split(",") if one)
    if not names:
        raise bad_parameter(name, f"say which machines, as in ?{name}=web1,web2; /api/machines lists them")
    if len(names) > MAX_MACHINES:
        raise bad_parameter(name, f"'{name}' names {len(names)} machines, {MAX_MACHINES} at most can be asked for")
    for one in names:
        if not MACHINE_NAME.fullmatch(one):
            raise bad_parameter(name, f"{one[:MAX_TEXT]!r} is no machine's name; /api/machines lists them")
    return tuple(names)


def _range(from_us: int | None, to_us: int | None, now_us: int) -> tuple[int, int]:
    """The last hour before the end unless it is given; the end is now unless it is given."""
    end_us = now_us if to_us is None else to_us
    start_us = end_us - DEFAULT_RANGE_US if from_us is None else from_us
    _not_empty(start_us, end_us)
    return start_us, end_us


def _stream(given: str | None) -> bytes | None:
    if given is not None and not _STREAM.fullmatch(given):
        raise bad_parameter("stream", f"'stream' is {2 * STREAM_BYTES} hexadecimal digits")
    return None if given is None else bytes.fromhex(given)


def _not_empty(from_us: int, to_us: int) -> None:
    if from_us >= to_us:
        raise bad_parameter("from", "the range is empty: 'from' must be earlier than 'to'")


def _time(query: Query, name: str) -> int | None:
    given = query.get(name)
    if given is None:
        return None
    try:
        time_us = round(float(given) * 1e6) if _SECONDS.fullmatch(given) else _iso(given)
    except ValueError:
        raise bad_parameter(
            name, f"'{name}' is seconds since 1970 or ISO 8601 like 2026-01-31T12:00:00Z, not {given[:MAX_TEXT]!r}"
        ) from None
    if not EARLIEST_US <= time_us <= LATEST_US:
        raise bad_parameter(name, f"'{name}' lies between 1970 and 2100")
    return time_us


def _iso(given: str) -> int:
    # The "+" of a zone is a space in a query string unless it was escaped.
    moment = datetime.fromisoformat(given.replace(" ", "+") if "T" in given else given)
    return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6)
