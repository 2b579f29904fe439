"""The settings files of the daemons in /etc/sysmonstm: all defaults commented out, and what this machine needs set."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from sysmonstm import toml_text
from sysmonstm.config import UserError
from sysmonstm.ctl.installing.files import State, is_written, make_private_directory, put, state
from sysmonstm.ctl.installing.steps import Steps, run
from sysmonstm.toml_text import TomlError

SETTINGS = Path("/etc/sysmonstm")
CREDENTIALS = SETTINGS / "credentials"

Value = str | int | float | bool | list[str]


def settings_file(daemon: str) -> Path:
    """Where a daemon's settings are."""
    return SETTINGS / f"{daemon}.toml"


def put_settings(steps: Steps, daemon: str, scripts: Path, wanted: Mapping[str, Value]) -> bool:
    """Bring a daemon's file up to date: what is set in it stays set, and so is `wanted`; whether that changed anything.

    UserError if the daemon would not take it; then nothing is written.
    """
    path = settings_file(daemon)
    executable = scripts / f"sysmon-{daemon}"
    text = with_values(run([executable, "--print-config"]), {**set_in(steps, daemon), **wanted})
    if state(steps.at(path)) is State.EDITED:
        _say_what_is_missing(steps, path, set_in(steps, daemon), wanted)
    elif not is_written(steps, path, text):
        # As its unit will: without what is in our own environment.
        run(["env", "-i", executable, "--check-config", "--config", "/dev/stdin"], stdin=text)
    return put(steps, path, text)


def _say_what_is_missing(steps: Steps, path: Path, values: Mapping[str, Value], wanted: Mapping[str, Value]) -> None:
    for name, value in wanted.items():
        if values.get(name) != value:
            steps.say(f"what this wants in {path}: {_line(name, value)}")


def _line(name: str, value: Value) -> str:
    # A list, a text, a number and a truth value are in JSON what they are in TOML.
    return f"{name} = {json.dumps(value, ensure_ascii=False)}"


def make_settings_directory(steps: Steps) -> None:
    """The directory for secrets, in the one for settings."""
    make_private_directory(steps, CREDENTIALS)


def take_settings_directory_away(steps: Steps) -> None:
    """Remove what is empty of it."""
    for path in (CREDENTIALS, SETTINGS):
        directory = steps.at(path)
        if directory.is_dir() and not any(directory.iterdir()):
            steps.take(f"remove {path}", directory.rmdir)
        elif directory.is_dir():
            steps.say(f"keep {path}, where something is left")


def has_credential(steps: Steps, name: str) -> bool:
    """Whether somebody has put a secret there."""
    return steps.at(CREDENTIALS / name).is_file()


def with_values(template: str, values: Mapping[str, Value]) -> str:
    """The commented file with these set; a setting that it does not know is left out."""
    for name, value in values.items():
        template = re.sub(
            rf"^#{re.escape(name)} = .*$", partial(_written, _line(name, value)), template, flags=re.MULTILINE
        )
    return template


def _written(line: str, _: re.Match[str]) -> str:
    return line


def set_in(steps: Steps, daemon: str) -> dict[str, Value]:
    """What a daemon's file sets; nothing if it is not there."""
    file = steps.at(settings_file(daemon))
    if state(file) is State.ABSENT:
        return {}
    try:
        return toml_text.parse(file.read_text())
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not TOML: {error}") from None
    except TomlError as error:
        raise UserError(f"{file} {error}") from None
