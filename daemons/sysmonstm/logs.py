"""Log lines: one JSON object a line (time, level, event name, sentence, fields), or the same as text for people.

`logger(__name__).info("machine.connected", "web1 has connected", machine="web1")`: the event name is stable and for
machines, the sentence is for people, the fields say the rest. Lines of libraries go the same way, as event "library".
"""

from __future__ import annotations

import json
import logging
import math
import sys
from datetime import UTC, datetime
from types import TracebackType

_FIELDS = "sysmon_fields"
_EVENT = "sysmon_event"


class Log:
    """Writes events. `debug`, `info`, `warning` and `error` take an event name, a sentence and fields."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, sentence: str, **fields: object) -> None:
        """For whoever hunts a fault."""
        self._write(logging.DEBUG, event, sentence, fields)

    def info(self, event: str, sentence: str, **fields: object) -> None:
        """Something changed, as it should."""
        self._write(logging.INFO, event, sentence, fields)

    def warning(self, event: str, sentence: str, **fields: object) -> None:
        """Something is not as it should be, and the daemon carries on."""
        self._write(logging.WARNING, event, sentence, fields)

    def error(self, event: str, sentence: str, **fields: object) -> None:
        """Something is lost or cannot be done."""
        self._write(logging.ERROR, event, sentence, fields)

    def _write(self, level: int, event: str, sentence: str, fields: dict[str, object]) -> None:
        # `%` in the sentence is text: nothing is ever formatted into it.
        self._logger.log(level, "%s", sentence, extra={_EVENT: event, _FIELDS: fields}, stacklevel=3)


def logger(name: str) -> Log:
    """The log of a module."""
    return Log(name)


def _parts(record: logging.LogRecord) -> tuple[str, str, dict[str, object]]:
    fields = dict(getattr(record, _FIELDS, {}))
    event = getattr(record, _EVENT, "library")
    if event == "library":
        fields["logger"] = record.name
    return event, record.getMessage(), fields


class JsonFormatter(logging.Formatter):
    """One JSON object a line. Everything outside printable ASCII is escaped, so no value can forge a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        event, sentence, fields = _parts(record)
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        head = {"time": time, "level": record.levelname.lower(), "event": event, "message": sentence}
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(_jsonable(head | {"fields": fields} if fields else head))


def _jsonable(value: object) -> object:
    """The value as JSON can say it; what it has no words for (a NaN too) as text."""
    if isinstance(value, dict):
        return {str(key): _jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(one) for one in value]
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return str(value)


class TextFormatter(logging.Formatter):
    """`12:00:01 info   machine.connected  web1 has connected  machine=web1`, control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback follows on lines of its own, set in, so that none looks like a log line."""
        event, sentence, fields = _parts(record)
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        rest = "  ".join(f"{name}={value}" for name, value in fields.items())
        lines = [f"{time} {record.levelname.lower():7} {event}  {sentence}  {rest}".rstrip()]
        if record.exc_info:
            lines += [f"    {line}" for line in self.formatException(record.exc_info).split("\n")]
        return "\n".join(map(printable, lines))


def printable(text: str) -> str:
    """Text without characters that could move a terminal's cursor or forge a line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def setup(level: str, style: str) -> None:
    """Send every log line of the process to standard error; `style` is "json" or "text"."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    sys.excepthook = _log_crash


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The last words of a process that ends by a bug: what it holds may be a machine's, so it goes the same way."""
    fields = {_EVENT: "daemon.crashed", _FIELDS: {}}
    logging.getLogger("sysmonstm").critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace), extra=fields)
