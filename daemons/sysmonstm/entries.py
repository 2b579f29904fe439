"""What one log line says, however it is written: taken from a record of `logging`, bounded, without secrets."""

from __future__ import annotations

import json
import logging
import math
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from sysmonstm.redaction import CONCEALED, is_secret, redacted

# Attributes of a record of ours.
FIELDS = "sysmon_fields"
EVENT = "sysmon_event"
LIBRARY = "library"

# The journal cuts what comes by standard error into entries of 48 KiB.
MOST_BYTES = 40_000
# When a line is longer than that: what is kept of each of its texts, and of how many fields.
CUT_TEXT = 1_000
CUT_FIELDS = 16
MOST_DEPTH = 8
# A line of text, in characters of up to four bytes.
MOST_TEXT = MOST_BYTES // 4

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True, slots=True)
class Entry:
    """One log line. `time` is in seconds since 1970, `level` one of logging's; `fields` are what JSON can say."""

    time: float
    level: int
    event: str
    sentence: str
    fields: Mapping[str, Json]
    traceback: str
    file: str
    line: int
    function: str

    @property
    def level_name(self) -> str:
        """The word for the level, in lower case."""
        return logging.getLevelName(self.level).lower()


def entry_of(record: logging.LogRecord) -> Entry:
    """What a record says. It never fails: the log is where failures are said."""
    fields = _fields(getattr(record, FIELDS, {}), 0)
    event = getattr(record, EVENT, LIBRARY)
    if event == LIBRARY:
        fields["logger"] = record.name
    return Entry(
        time=record.created,
        level=record.levelno,
        event=event,
        sentence=redacted(_sentence(record)),
        fields=fields,
        traceback=redacted(_traceback(record)),
        file=record.pathname,
        line=record.lineno,
        function=record.funcName or "",
    )


def _sentence(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    # A library that gives its own line the wrong arguments: what is raised is whatever formatting them raises.
    except Exception:  # noqa: BLE001
        return f"{record.msg!s} {_text(record.args)}"


def _traceback(record: logging.LogRecord) -> str:
    if not record.exc_info or not record.exc_info[0]:
        return ""
    return "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")


def _text(value: object) -> str:
    try:
        return str(value)
    # Any object may be logged, and its own __str__ may have any bug.
    except Exception:  # noqa: BLE001
        return f"<{type(value).__name__} that cannot be shown>"


def _fields(values: Mapping[object, object], depth: int) -> dict[str, Json]:
    return {
        redacted(name): CONCEALED if is_secret(name) else _jsonable(value, depth)
        for name, value in ((_text(key), value) for key, value in values.items())
    }


def _jsonable(value: object, depth: int) -> Json:
    """The value as JSON can say it, without secrets; what it has no words for (a NaN too) as text."""
    if depth > MOST_DEPTH:
        return "…"
    if isinstance(value, Mapping):
        return dict(_fields(value, depth + 1))
    if isinstance(value, list | tuple):
        return [_jsonable(one, depth + 1) for one in value]
    if value is None or isinstance(value, bool) or (isinstance(value, int) and value.bit_length() <= 64):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, int):
        # Python refuses to write the digits of what is very long.
        return hex(value)
    return redacted(_text(value))


def as_json(entry: Entry) -> str:
    """One JSON object in one line. Everything outside printable ASCII is escaped, so no value can forge a line."""
    fields: dict[str, Json] = dict(entry.fields)
    if entry.traceback:
        fields["traceback"] = entry.traceback
    line = _object(entry, entry.sentence, fields)
    if len(line) <= MOST_BYTES:
        return line
    shortened = {_shortened(name): _short(one) for name, one in list(fields.items())[:CUT_FIELDS]}
    line = _object(entry, _shortened(entry.sentence), shortened | {"cut": True})
    # An escaped character takes up to twelve.
    return line if len(line) <= MOST_BYTES else _object(entry, _shortened(entry.sentence), {"cut": True})


def _object(entry: Entry, sentence: str, fields: Mapping[str, Json]) -> str:
    time = datetime.fromtimestamp(entry.time, UTC).isoformat(timespec="milliseconds")
    head = {"time": time, "level": entry.level_name, "event": entry.event, "message": sentence}
    return json.dumps(head | {"fields": fields} if fields else head)


def _short(value: Json) -> Json:
    """What is kept of a field's value: of a traceback, its end."""
    text = value if isinstance(value, str) else json.dumps(value)
    return value if len(text) <= CUT_TEXT else f"…{text[-CUT_TEXT:]}"


def _shortened(text: str) -> str:
    return text if len(text) <= CUT_TEXT else f"{text[:CUT_TEXT]}…"


def as_text(entry: Entry) -> list[str]:
    """`12:00:01 info   machine.connected  web1 has connected  machine=web1`, control characters escaped.

    A traceback follows on lines of its own, set in, so that none looks like a log line.
    """
    time = datetime.fromtimestamp(entry.time).astimezone().strftime("%H:%M:%S")
    rest = "  ".join(f"{name}={value}" for name, value in entry.fields.items())
    lines = [f"{time} {entry.level_name:7} {entry.event}  {entry.sentence}  {rest}".rstrip()]
    if entry.traceback:
        lines += [f"    {line}" for line in entry.traceback.split("\n")]
    return [printable(line)[:MOST_TEXT] for line in lines]


def printable(text: str) -> str:
    """Text without characters that could move a terminal's cursor or forge a line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
