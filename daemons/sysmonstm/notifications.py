"""Tells the service manager how it goes, by the protocol of sd_notify(3); where there is none, nobody."""

from __future__ import annotations

import os

import sdnotify

from sysmonstm import logs
from sysmonstm.logs import printable

# A service manager that does not read must not hold up the daemon for longer.
SEND_SECONDS = 1.0
# More would not be read on one line.
MOST_STATUS_CHARACTERS = 1000

log = logs.logger(__name__)


class Notifier:
    """The daemon's end of NOTIFY_SOCKET, which it takes out of the environment: no child speaks for the daemon."""

    def __init__(self) -> None:
        self._failed = False
        self._notifier: sdnotify.SystemdNotifier | None = None
        if "NOTIFY_SOCKET" not in os.environ:
            return
        try:
            # Without `debug` it would swallow every error, and without a time limit it would wait for ever.
            self._notifier = sdnotify.SystemdNotifier(debug=True)
            self._notifier.socket.settimeout(SEND_SECONDS)
        except OSError as error:
            self._say_deaf(error)
        del os.environ["NOTIFY_SOCKET"]

    def tell(self, *assignments: str) -> None:
        """Send assignments ("READY=1"), together. One that is not taken is logged, once in a row."""
        if not self._notifier:
            return
        try:
            self._notifier.notify("\n".join(assignments))
        except OSError as error:
            self._say_deaf(error)
        else:
            self._failed = False

    def _say_deaf(self, error: OSError) -> None:
        if not self._failed:
            log.warning("manager.deaf", "the service manager does not take what it is told", reason=str(error))
        self._failed = True


def status(text: str) -> str:
    """The assignment for a line of status; whatever it quotes, it is one line and no other assignment.

    It is ASCII, as sdnotify sends Latin-1 and systemd takes UTF-8.
    """
    line = printable(text)[:MOST_STATUS_CHARACTERS]
    return f"STATUS={line.encode('ascii', 'backslashreplace').decode()}"
