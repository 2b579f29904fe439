"""Remembers which system ran last, as a switch of systems mostly restarts the collector itself: a small file."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from sysmonstm import logs
from sysmonstm.collectord.deployment.words import Running

log = logs.logger(__name__)

FILE_NAME = "deployment.json"
_MOST_BYTES = 65_536
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW


class Memory:
    """What ran last, in a file in the spool's directory, which leaves it alone. No call raises for what a disk does.

    For one thread; a disk that hangs holds it up.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME
        self._kept: Running | None = None
        self._said = False

    def recalled(self) -> Running | None:
        """What ran last; None if nothing was ever kept, or not so that it can be read."""
        try:
            with self._path.open(encoding="utf-8") as file:
                self._kept = decoded(file.read(_MOST_BYTES))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self._say(f"it is not known which system ran last: {error}")
        return self._kept

    def keep(self, running: Running) -> None:
        """Keep it, unless it is kept; a file that cannot be written is tried again at the next call."""
        if running == self._kept:
            return
        new = self._path.with_suffix(".new")
        try:
            descriptor = os.open(new, _FLAGS, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(encoded(running))
                file.flush()
                os.fsync(descriptor)
            new.replace(self._path)
        except OSError as error:
            self._say(f"it cannot be kept which system runs, and the next start may not tell of another: {error}")
            return
        self._kept = running

    def _say(self, sentence: str) -> None:
        if not self._said:
            self._said = True
            log.warning("deployment.forgotten", sentence, file=str(self._path))


def encoded(running: Running) -> str:
    """As it is kept."""
    return json.dumps(asdict(running))


def decoded(text: str) -> Running:
    """What was kept; ValueError if this is no such text."""
    try:
        found = json.loads(text)
        running = Running(**found)
    except (TypeError, RecursionError) as error:
        raise ValueError(f"the file is damaged: {error}") from None
    whole = [running.activated_ns, running.seen_ns, 0 if running.generation is None else running.generation]
    words = [running.system, running.boot, running.specialisation, running.revision, running.label]
    if not all(type(one) is int for one in whole) or not all(isinstance(one, str) for one in words):
        raise ValueError("the file is damaged: a value is of another type")
    return running
