"""`sysmonctl top`: the table of machines, drawn anew every two seconds until q or Ctrl-C."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import termios
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from sysmonstm.config import UserError
from sysmonstm.ctl import api
from sysmonstm.ctl.api import Machine
from sysmonstm.ctl.machines import machines, table
from sysmonstm.logs import printable

EVERY_SECONDS = 2.0
# The alternate screen keeps what was in the terminal; the cursor would flicker over the table.
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"
BOLD, PLAIN = "\x1b[1m", "\x1b[0m"


def top(url: str) -> None:
    """Draw until the person has had enough; where standard output is no terminal, print once."""
    if not sys.stdout.isatty():
        machines(url, as_json=False)
        return
    with _screen():
        found: list[Machine] = []
        while True:
            trouble = ""
            try:
                found = api.parse(url, api.fetch(url))
            except UserError as error:
                trouble = f"disconnected, retrying: {error}"
            size = shutil.get_terminal_size()
            _write(drawn(found, trouble, url, time.time(), size.columns, size.lines))
            if _asked_to_quit(EVERY_SECONDS):
                return


def drawn(found: Sequence[Machine], trouble: str, url: str, now: float, columns: int, lines: int) -> str:
    """One screen; `trouble` is why `found` is old, or empty. No line is wider than the terminal, none is too many."""
    head = trouble or f"{len(found)} machine{'' if len(found) == 1 else 's'} at {url}"
    body = table(found, now) if found or not trouble else []
    clock = time.strftime("%H:%M:%S", time.localtime(now))
    room = max(lines - 3, 1)
    if len(body) > room:
        hidden = len(body) - (room - 1)
        body = [*body[: room - 1], f"… {hidden} more; make the window taller, or use sysmonctl machines"]
    shown = [f"{clock}  {printable(head)}", "", *body]
    cut = [line[:columns] for line in shown]
    styled = [f"{BOLD}{line}{PLAIN}" if number in (0, 2) else line for number, line in enumerate(cut)]
    return HOME + "\r\n".join(line + CLEAR_LINE for line in styled) + CLEAR_BELOW


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _asked_to_quit(seconds: float) -> bool:
    """Wait so long for a key; whether it is q. Other keys draw anew at once."""
    if not sys.stdin.isatty():
        time.sleep(seconds)
        return False
    readable, _, _ = select.select([sys.stdin], [], [], seconds)
    # An empty read is a terminal that has gone.
    return bool(readable) and os.read(sys.stdin.fileno(), 64) in (b"q", b"Q", b"")


@contextmanager
def _screen() -> Iterator[None]:
    """A screen of our own with keys as they are typed; the terminal is as before afterwards, however this ends."""
    keyboard = sys.stdin.fileno() if sys.stdin.isatty() else None
    before = termios.tcgetattr(keyboard) if keyboard is not None else None
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, _leave)
    try:
        if keyboard is not None:
            tty.setcbreak(keyboard)
        _write(ENTER)
        yield
    except KeyboardInterrupt:
        pass  # Ctrl-C is a way to leave
    finally:
        _write(LEAVE)
        if keyboard is not None and before is not None:
            termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
