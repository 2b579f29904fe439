"""The steps by which `install` and `uninstall` change a machine: each is said in a line; a dry run only says them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sysmonstm.config import UserError


@dataclass
class Steps:
    """Does what changes the machine, or the tree under `root` that is to become one; `dry` only says what it would do.

    `taken` are the steps so far: none, if all was as it should be.
    """

    root: Path = Path("/")
    dry: bool = False
    say: Callable[[str], None] = print
    taken: list[str] = field(default_factory=list)

    @property
    def elsewhere(self) -> bool:
        """Whether `root` is not this machine's own."""
        return self.root != Path("/")

    def at(self, path: Path | str) -> Path:
        """Where a path of the machine is for us."""
        return self.root / Path(path).relative_to("/")

    def take(self, sentence: str, change: Callable[[], object]) -> None:
        """Do one thing and say so: "write /etc/…"."""
        self.say(f"would {sentence}" if self.dry else sentence)
        self.taken.append(sentence)
        if self.dry:
            return
        try:
            change()
        except OSError as error:
            raise UserError(f"could not {sentence}: {error.strerror}") from None

    def command(self, sentence: str, *command: str | Path) -> None:
        """Take a step that is a command."""
        self.take(sentence, lambda: run(command))


def run(command: Sequence[str | Path], stdin: str = "") -> str:
    """What the command prints; UserError with its last line if it fails, or is not there."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, cwd="/", check=False)
    except FileNotFoundError:
        raise UserError(f"{command[0]} is not installed on this machine") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        shown = Path(command[0]).name
        raise UserError(f"`{shown}` failed: {said[-1].strip() if said else f'exit status {done.returncode}'}")
    return done.stdout
