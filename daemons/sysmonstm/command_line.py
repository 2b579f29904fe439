"""A daemon's command line: where its settings come from, at the start and at each reload."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Generic, TypeVar

from sysmonstm.apart import afresh, apart
from sysmonstm.config import Settings, UserError, die, loaded_and_checked
from sysmonstm.settings_file import commented

# A machine that is too busy to read its configuration in this time is better left with the one it has.
REREAD_SECONDS = 30.0

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Source(Generic[S]):
    """Where a daemon's settings come from; `settings` are those of the start.

    `asked` is set where somebody has asked for a reload since they were read.
    """

    settings: S
    file: Path | None = None
    asked: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    async def reload(self) -> S:
        """The settings as they would be at a start now.

        UserError if they are not good, ApartError if they could not be looked at.
        """
        kind = type(self.settings)
        where = (kind.__module__, kind.__qualname__, str(self.file) if self.file else "")
        reread = await afresh(read_anew, *where, expected=UserError, seconds=REREAD_SECONDS)
        assert isinstance(reread, kind), "it was asked for by its name"
        return reread


def read_anew(module: str, name: str, file: str) -> Settings:
    """The checked settings of the class `name` in `module`, for a process that has just started."""
    kind: type[Settings] = getattr(import_module(module), name)
    return loaded_and_checked(kind, Path(file) if file else None)


def from_command_line(settings: type[S], description: str, argv: Sequence[str] | None = None) -> Source[S]:
    """The settings of a daemon started by hand or by systemd, and where they come from.

    Reads `--config FILE`; with `--check-config` says whether the configuration is good and exits 0 or 1; with
    `--print-config` prints a file of settings to edit and exits.
    """
    # Whoever asks for a reload from here on is heard in the end, instead of ending the process. To block the signal is
    # not enough: libraries have threads by now that do not.
    asked = asyncio.Event()
    signal.signal(signal.SIGHUP, lambda *_: asked.set())
    started = Path(sys.argv[0])
    # By `python -m` the path says which daemon it is.
    name = f"sysmon-{started.parent.name}" if started.name == "__main__.py" else started.name
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of settings")
    parser.add_argument("--check-config", action="store_true", help="say whether the settings are good, and exit")
    parser.add_argument("--print-config", action="store_true", help="print every setting and its default, and exit")
    arguments = parser.parse_args(argv)
    if arguments.print_config:
        print(commented(settings, parser.prog), end="")  # noqa: T201 - what the user asked for
        sys.exit(0)
    try:
        loaded = apart(lambda: loaded_and_checked(settings, arguments.config), expected=UserError)
    except UserError as error:
        die(f"{parser.prog}: {error}")
    if arguments.check_config:
        print("the configuration is good")  # noqa: T201 - what the user asked for
        sys.exit(0)
    return Source(loaded, arguments.config, asked)
