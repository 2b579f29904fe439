"""Reads the files in units/ as systemd does, with the comments that stand above their lines."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "units"


@dataclass(frozen=True)
class Line:
    """`key=value` in a section, and the comment right above it, if there is one."""

    section: str
    key: str
    value: str
    comment: str


@dataclass(frozen=True)
class UnitFile:
    """A unit file: its name and its lines in order."""

    name: str
    lines: tuple[Line, ...]
    comments: str

    def values(self, key: str) -> list[str]:
        """Every value that the key is given."""
        return [line.value for line in self.lines if line.key == key]

    def value(self, key: str) -> str:
        """The only value of the key."""
        (value,) = self.values(key)
        return value


def read_unit(path: Path) -> UnitFile:
    """The file; an AssertionError if a line is neither blank, a comment, a section nor an assignment."""
    section, comment, comments, lines = "", "", "", []
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            comment += f"{line[1:].strip()} "
            comments += f"{line[1:].strip()} "
            continue
        if line.startswith("["):
            section = line
        elif line:
            key, equals, value = line.partition("=")
            assert equals and key.isalpha() and section, f"{path.name}: {line}"
            lines.append(Line(section, key, value, comment))
        comment = ""
    return UnitFile(path.name, tuple(lines), comments)


def daemons() -> list[str]:
    """Of pyproject.toml: "collectord", …"""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    return sorted(name.removeprefix("sysmon-") for name in scripts if name.startswith("sysmon-"))


SERVICES = [read_unit(UNITS / f"sysmon-{daemon}.service") for daemon in daemons()]
SOCKETS = [read_unit(UNITS / f"sysmon-{daemon}.socket") for daemon in daemons()]


def daemon_of(unit: UnitFile) -> str:
    """ "collectord" of sysmon-collectord.service."""
    return unit.name.removeprefix("sysmon-").partition(".")[0]
