"""What sysmon-alertd can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from sysmonstm.alertd.rulefile import load_rules
from sysmonstm.config import RESTART, About, Check, NoneWhenEmpty, StorageSettings
from sysmonstm.listen import UnixAddress


def _web_address(value: str | None) -> str | None:
    if value is None:
        return None
    if not value.isascii() or any(char.isspace() or not char.isprintable() for char in value):
        raise ValueError("an address has no blanks and only ASCII letters; escape what is not")
    parts = urlsplit(value)
    # Reading the port is what checks it: ValueError if it is none.
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("not an http or https address; it looks like https://host/path")
    return value


@dataclass(frozen=True)
class AlertSettings(StorageSettings):
    """ALERTS_* in the environment."""

    env_prefix: ClassVar[str] = "ALERTS_"

    rules_file: Annotated[
        Path | None, NoneWhenEmpty, About("A TOML file of rules that change or add to the default ones")
    ] = None
    webhook_url: Annotated[
        str | None,
        NoneWhenEmpty,
        Check(_web_address),
        About("Where alerts that fire or resolve are posted as JSON; nowhere if it is not set"),
    ] = field(default=None, repr=False)
    control: Annotated[
        str | None,
        NoneWhenEmpty,
        UnixAddress,
        RESTART,
        About("Where the control interface listens, unix:/path; not used where systemd hands over a socket"),
    ] = None

    def check(self) -> None:
        """Read the rules file; UserError if a rule is not good."""
        load_rules(self.rules_file)
