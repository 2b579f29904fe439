"""Writes log lines to systemd's journal: as entries with fields, or as lines with a priority; never waits long for it.

Entries go by systemd-python, lines by standard error where that module is missing or its socket takes nothing. While
neither takes any, lines are left out and counted; the count is said when the journal is back.
"""

from __future__ import annotations

import logging
import os
import re
import select
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

from sysmonstm.catalogue import MESSAGE_IDS
from sysmonstm.entries import Entry, Json, as_json, as_text, entry_of, printable

SOCKET = "/run/systemd/journal/socket"
STDERR = 2

# How long an event may wait for a journal that is busy. Once that was not enough nothing waits until it is back.
PATIENCE_MS = 50

# The journal's own limit is 64 letters for a name.
MOST_NAME = 64
MOST_FIELDS = 32
MOST_VALUE = 8_192
PREFIX = "SYSMON_"
# What says who writes is not for fields to say.
OWN = {"EVENT", "DAEMON"}

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


def is_stderr(environ: Mapping[str, str]) -> bool:
    """Whether standard error is the journal, as its JOURNAL_STREAM (device:inode) says."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(STDERR)
    except OSError:
        return False
    return (str(found.st_dev), str(found.st_ino)) == (device, inode)


def identifier(program: str) -> str:
    """The name under which a program is known to the journal, by the path it was started as: `sysmon-alertd`."""
    path = Path(program)
    # By `python -m` the path says which daemon it is.
    name = f"sysmon-{path.parent.name}" if path.name == "__main__.py" else path.name
    return printable(name)[:MOST_NAME] or "sysmonstm"


def fields_of(entry: Entry, message: str, program: str) -> list[str]:
    """The fields of a journal entry, each as `NAME=value` in one line. No field of the event can become another one."""
    found = [
        f"MESSAGE={message}",
        f"PRIORITY={priority(entry.level)}",
        f"SYSLOG_IDENTIFIER={program}",
        f"SYSMON_DAEMON={program.removeprefix('sysmon-')}",
        f"SYSMON_EVENT={_value(entry.event)}",
        f"CODE_FILE={_value(entry.file)}",
        f"CODE_LINE={entry.line}",
        f"CODE_FUNC={_value(entry.function)}",
    ]
    if known := MESSAGE_IDS.get(entry.event):
        found.append(f"MESSAGE_ID={known}")
    plain = (f"{_name(name)}={_value(text)}" for name, text in _plain(entry) if _name(name))
    return [*found, *islice(plain, MOST_FIELDS)]


def priority(level: int) -> int:
    """The priority of syslog(3) for a level of logging."""
    return next((number for known, number in sorted(_PRIORITIES.items(), reverse=True) if level >= known), 7)


def _plain(entry: Entry) -> Iterator[tuple[str, str]]:
    """Names and texts of what is no object; a list becomes a field for each of its items, as the journal has it."""
    for name, value in entry.fields.items():
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, dict | list) and one not in (None, ""):
                yield name, _shown(one)
    if entry.traceback:
        yield "traceback", entry.traceback


def _shown(value: Json) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _name(field: str) -> str:
    """The journal's name for a field; empty if it may have none."""
    name = re.sub(r"[^A-Z0-9_]", "_", field.upper())
    return "" if name in OWN or not name else (PREFIX + name)[:MOST_NAME]


def _value(text: str) -> str:
    """Bounded and in one line. Of what is too long the end is left out, of a traceback too: MESSAGE has more of it."""
    return printable(text[:MOST_VALUE])[:MOST_VALUE]


class _Channel:
    """How long a way into the journal may be waited for: once it has taken nothing, not at all until it does."""

    def __init__(self) -> None:
        self._patience_ms = PATIENCE_MS

    def _taken(self, taken: bool) -> bool:
        self._patience_ms = PATIENCE_MS if taken else 0
        return taken


class Sender(_Channel):
    """Entries by systemd-python, which waits for ever for a journal that hangs, and says nothing of one that is gone.

    So a socket of its own is asked first, and libsystemd's own is made one that does not wait.
    """

    def __init__(self, sendv: Callable[..., None], address: str = SOCKET) -> None:
        super().__init__()
        self._sendv = sendv
        self._address = address
        self._asked: socket.socket | None = None
        self._has_sent = False

    def send(self, fields: list[str]) -> bool:
        """Whether the journal has taken an entry of these fields."""
        try:
            if not self._has_room():
                return self._taken(False)
            if self._has_sent:
                self._sendv(*fields)
            else:
                self._first(fields)
        except OSError:
            return self._taken(False)
        return self._taken(True)

    def _has_room(self) -> bool:
        if self._asked is None:
            self._asked = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        # Anew each time: the socket there may be another one by now.
        self._asked.connect(self._address)
        return _writable(self._asked.fileno(), self._patience_ms)

    def _first(self, fields: list[str]) -> None:
        """Send, and find the socket that libsystemd has opened for it and keeps."""
        before = set(_datagram_sockets())
        self._sendv(*fields)
        self._has_sent = True
        for descriptor in set(_datagram_sockets()) - before:
            os.set_blocking(descriptor, False)


def _datagram_sockets() -> Iterator[int]:
    """The descriptors of this process's unix datagram sockets that are not connected."""
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        # What has read the directory is gone by now, and what is no socket refuses to be one.
        with suppress(OSError), closing(socket.socket(fileno=os.dup(descriptor))) as found:
            if found.family == socket.AF_UNIX and found.type == socket.SOCK_DGRAM and not found.getsockname():
                yield descriptor


def _writable(descriptor: int, patience_ms: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return any(events & select.POLLOUT for _, events in poll.poll(patience_ms))


def _load() -> Callable[..., None] | None:
    try:
        # The module `journal` beside it brings the reader of journals along, for 0.7 MiB more.
        from systemd._journal import sendv
    except ImportError:
        return None
    found: Callable[..., None] = sendv
    return found


class Lines(_Channel):
    """Lines on standard error, each with its priority before it, as sd-daemon(3) has it: `<3>{"time": …`."""

    def send(self, level: int, lines: list[str]) -> bool:
        """Whether the journal has taken all of them."""
        data = "".join(f"<{priority(level)}>{line}\n" for line in lines).encode()
        try:
            # A stream has room for far more than a line when it says that it has room.
            return self._taken(_writable(STDERR, self._patience_ms) and os.write(STDERR, data) == len(data))
        except OSError:
            return self._taken(False)


class JournalHandler(logging.Handler):
    """Writes each record to the journal.

    `lost` is how many records it did not take since the start, `without_fields` how many went by standard error because
    the socket for entries took nothing. `style` may change.
    """

    def __init__(self, style: str, program: str = "") -> None:
        """`style` is what MESSAGE is: "json" for the object, "text" for the sentence alone."""
        super().__init__()
        self.style = style
        self._program = program or identifier(sys.argv[0])
        sendv = _load()
        self._sender = Sender(sendv) if sendv else None
        self._lines = Lines()
        self.lost = 0
        self.without_fields = 0
        self._said = (0, 0)

    def emit(self, record: logging.LogRecord) -> None:
        """Write it, or count it."""
        entry = entry_of(record)
        if self._as_entry(entry):
            self._say_missed(entry.time)
        elif not self._as_lines(entry):
            self.lost += 1
        elif self._sender:
            self.without_fields += 1
        else:
            self._say_missed(entry.time)

    def _as_entry(self, entry: Entry) -> bool:
        if not self._sender:
            return False
        message = as_json(entry) if self.style == "json" else _value(entry.sentence)
        return self._sender.send(fields_of(entry, message, self._program))

    def _as_lines(self, entry: Entry) -> bool:
        return self._lines.send(entry.level, [as_json(entry)] if self.style == "json" else as_text(entry))

    def _say_missed(self, time: float) -> None:
        """The journal takes lines again: say what it did not take."""
        missed = (self.lost, self.without_fields)
        if missed == self._said:
            return
        lost, without_fields = missed[0] - self._said[0], missed[1] - self._said[1]
        sentence = f"the journal was away: {lost} log lines are lost, {without_fields} have no fields"
        fields: dict[str, Json] = {"lost": lost, "without_fields": without_fields}
        entry = Entry(time, logging.WARNING, "journal.back", sentence, fields, "", __file__, 0, "")
        if self._as_entry(entry) or self._as_lines(entry):
            self._said = missed
