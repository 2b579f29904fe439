"""Whether the services are installed, enabled and run, and how often systemd had to restart them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sysmonstm.ctl.doctor import asking
from sysmonstm.ctl.doctor.finding import Finding, fail, ok, warn
from sysmonstm.ctl.format import duration_text

PROPERTIES = (
    "Id", "LoadState", "UnitFileState", "ActiveState", "SubState", "NRestarts", "Result", "MainPID", "StatusText",
    "NeedDaemonReload", "LimitNOFILE", "Listen", "ExecStart", "Environment", "ActiveEnterTimestampMonotonic",
    "WatchdogTimestampMonotonic",
)  # fmt: skip
Shown = Mapping[str, str]
"""What `systemctl show` says of a unit, by property; several lines of one name are joined by line breaks."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as systemd has it. `active_since` is in seconds of the monotonic clock, 0 if it is not active."""

    name: str
    installed: bool
    enabled: bool
    state: str
    result: str
    restarts: int
    pid: int
    stale: bool
    active_since: float
    shown: Shown

    @classmethod
    def of(cls, name: str, shown: Shown) -> Unit:
        """From what systemd shows of it."""
        return cls(
            name,
            shown.get("LoadState") not in (None, "not-found"),
            shown.get("UnitFileState") not in ("disabled", "masked", "masked-runtime"),
            shown.get("ActiveState", "inactive"),
            shown.get("Result", ""),
            _number(shown.get("NRestarts")),
            _number(shown.get("MainPID")),
            shown.get("NeedDaemonReload") == "yes",
            _number(shown.get("ActiveEnterTimestampMonotonic")) / 1e6,
            shown,
        )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def parsed(text: str) -> dict[str, Shown]:
    """The units in what `systemctl show` prints: blocks of Name=value, an empty line between two."""
    units: dict[str, Shown] = {}
    for block in text.split("\n\n"):
        shown: dict[str, str] = {}
        for line in block.splitlines():
            name, _, value = line.partition("=")
            shown[name] = f"{shown[name]}\n{value}" if name in shown else value
        if identity := shown.get("Id"):
            units[identity] = shown
    return units


def ask(names: tuple[str, ...]) -> dict[str, Unit]:
    """What systemd has of these units; nothing where there is no systemd."""
    said = asking.command(["systemctl", "show", f"--property={','.join(PROPERTIES)}", "--", *names])
    if said is None or not said.succeeded:
        return {}
    shown = parsed(said.output)
    return {name: Unit.of(name, shown[name]) for name in names if name in shown}


def credentials(name: str) -> dict[str, Path]:
    """The files of which systemd gives a service copies, by the names of the credentials."""
    # `systemctl show` cannot print them.
    words = ["busctl", "--json=short", "get-property", "org.freedesktop.systemd1", _path_on_the_bus(name)]
    said = asking.command([*words, "org.freedesktop.systemd1.Service", "LoadCredential"])
    if said is None or not said.succeeded:
        return {}
    return {one: Path(file) for one, file in json.loads(said.output)["data"] if file.startswith("/")}


def _path_on_the_bus(name: str) -> str:
    escaped = re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found[0]):02x}", name)
    return f"/org/freedesktop/systemd1/unit/{escaped}"


def judge(unit: Unit, now: float, *, by_socket: bool = False) -> list[Finding]:
    """What is to be said of a service; `now` is monotonic, in seconds.

    `by_socket`: the first connection starts it, so that it may be left disabled.
    """
    if by_socket and not unit.enabled and unit.state == "inactive":
        return [ok(f"{unit.name} starts with the first connection")]
    found: list[Finding] = []
    journal = f"journalctl -e -u {unit.name}"
    if unit.state == "failed":
        found.append(fail(f"{unit.name} has failed ({unit.result})", journal, f"systemctl restart {unit.name}"))
    elif unit.state != "active":
        found.append(fail(f"{unit.name} does not run: it is {unit.state}", "systemctl start sysmon.target", journal))
    elif unit.restarts:
        times = "once" if unit.restarts == 1 else f"{unit.restarts} times"
        lived = duration_text(now - unit.active_since)
        found.append(warn(f"systemd restarted {unit.name} {times}, the last time {lived} ago", journal))
    if not unit.enabled and not by_socket:
        found.append(warn(f"{unit.name} is not started at boot", f"systemctl enable {unit.name}"))
    if unit.stale:
        reload = "systemctl daemon-reload && systemctl restart sysmon.target"
        found.append(warn(f"the file of {unit.name} has changed since systemd read it", reload))
    return found or [ok(f"{unit.name} runs since {duration_text(now - unit.active_since)}, without a restart")]
