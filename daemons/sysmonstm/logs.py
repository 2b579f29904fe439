"""Log lines: an event name, a sentence and fields, as one JSON object a line, or as text for people.

`logger(__name__).info("machine.connected", "web1 has connected", machine="web1")`: the event name is stable and for
machines, the sentence is for people, the fields say the rest. Lines of libraries go the same way, as event "library".
Where standard error is systemd's journal each line is an entry of it, whose fields can be matched.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from types import TracebackType

from sysmonstm import journal
from sysmonstm.entries import EVENT, FIELDS, as_json, as_text, entry_of
from sysmonstm.entries import printable as printable
from sysmonstm.redaction import redacted

_context: dict[str, object] = {}


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
        extra = {EVENT: event, FIELDS: _context | fields}
        self._logger.log(level, "%s", sentence, extra=extra, stacklevel=3)


def logger(name: str) -> Log:
    """The log of a module."""
    return Log(name)


def concerns(machine: str) -> None:
    """All that this process writes from now on is about this machine: the field `machine` of each event."""
    _context["machine"] = machine


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return as_json(entry_of(record))


class TextFormatter(logging.Formatter):
    """One line for people; a traceback on lines of its own behind it."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, or lines."""
        return "\n".join(as_text(entry_of(record)))


def setup(level: str, style: str) -> None:
    """Send every log line of the process to standard error, or to the journal that it is; `style` is "json" or "text".

    May be called again, to change them.
    """
    root = logging.getLogger()
    root.handlers[:] = [_to_journal(root, style) if journal.is_stderr(os.environ) else _plain(style)]
    root.setLevel(level)
    # What would be written past the log: what the interpreter says of errors that nobody can catch, and of warnings.
    sys.excepthook = _log_crash
    threading.excepthook = _log_crashed_thread
    sys.unraisablehook = _log_unraisable
    logging.captureWarnings(True)


def refuse(sentence: str) -> None:
    """Say why this process does not start, to whoever started it: one line for people, or an event in the journal."""
    if not journal.is_stderr(os.environ):
        print(printable(redacted(sentence)), file=sys.stderr)  # noqa: T201 - what the user has to mend
        return
    setup("INFO", "json")
    logger(__name__).error("daemon.refused", sentence)


def _to_journal(root: logging.Logger, style: str) -> logging.Handler:
    """The one that is there already knows the journal, and what it has not taken."""
    for handler in root.handlers:
        if isinstance(handler, journal.JournalHandler):
            handler.style = style
            return handler
    return journal.JournalHandler(style)


def _plain(style: str) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    return handler


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The last words of a process that ends by a bug: what it holds may be a machine's, so it goes the same way."""
    _say_crash(logging.CRITICAL, "daemon.crashed", kind, error, trace)


def _log_crashed_thread(crash: threading.ExceptHookArgs) -> None:
    # It is None only while the interpreter ends.
    error = crash.exc_value or crash.exc_type()
    _say_crash(logging.ERROR, "thread.crashed", crash.exc_type, error, crash.exc_traceback)


def _log_unraisable(failed: sys.UnraisableHookArgs) -> None:
    error = failed.exc_value or failed.exc_type()
    _say_crash(logging.ERROR, "error.unraised", failed.exc_type, error, failed.exc_traceback)


def _say_crash(
    level: int, event: str, kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    extra = {EVENT: event, FIELDS: dict(_context)}
    logging.getLogger("sysmonstm").log(
        level, "%s: %s", kind.__name__, error, exc_info=(kind, error, trace), extra=extra
    )
