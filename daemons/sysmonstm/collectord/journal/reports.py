"""Reads what journalctl prints of an entry: JSON whose values anyone on the machine may have chosen."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from sysmonstm.collectord.probe import instance_name

# Those that are read here; journalctl adds the entry's times itself.
FIELDS = ("_SYSTEMD_UNIT", "_TRANSPORT", "_PID", "_UID", "UNIT", "COREDUMP_UNIT")

KERNEL = "kernel"
NO_UNIT = "no unit"
# Each of these is another one: people log in, programs start units with numbers for names.
TRANSIENT = "transient units"

_TRANSIENT = re.compile(r"session-\w+\.scope|run-.*\.(?:service|scope)|systemd-coredump@.*\.service|.*\.scope")
_KEPT_SCOPES = {"init.scope"}


@dataclass(frozen=True, slots=True)
class Report:
    """An entry of the journal: the unit that it is about, and its time in seconds since 1970 (0 if it has none)."""

    unit: str
    time: float


def parse(line: bytes) -> Report | None:
    """One line of `journalctl --output=json`; None if it is none."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    stamp = _text(entry.get("__REALTIME_TIMESTAMP"))
    time = int(stamp) / 1e6 if stamp.isascii() and stamp.isdecimal() and len(stamp) < 19 else 0.0
    return Report(_unit(entry), time)


def _unit(entry: Mapping[str, object]) -> str:
    """The unit as journalctl -u finds it: systemd itself and systemd-coredump write about other units than theirs."""
    if _text(entry.get("_TRANSPORT")) == "kernel":
        return KERNEL
    own = _text(entry.get("_SYSTEMD_UNIT"))
    # Fields without an underscore are whatever the sender says, so it matters who that is.
    if _text(entry.get("_PID")) == "1":
        own = _text(entry.get("UNIT")) or own
    elif _text(entry.get("_UID")) == "0":
        own = _text(entry.get("COREDUMP_UNIT")) or own
    if not own:
        return NO_UNIT
    return TRANSIENT if own not in _KEPT_SCOPES and _TRANSIENT.fullmatch(own) else instance_name(own)


def _text(value: object) -> str:
    """A field's value: text, bytes as a list of numbers where it is no text, or a list of such where it is repeated."""
    if isinstance(value, str):
        # JSON can say half a character, which nothing else can.
        return value.encode(errors="replace").decode()
    if not isinstance(value, list) or not value:
        return ""
    if all(type(one) is int and 0 <= one < 256 for one in value):
        return bytes(value).decode(errors="replace")
    return _text(value[0]) if isinstance(value[0], str | list) and value[0] != value else ""
