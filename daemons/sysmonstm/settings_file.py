"""Writes a settings file for people: every setting of a daemon with what it is and its default, commented out."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import wrap

from sysmonstm.config import SECRET, Settings, about, credential_files, fields, fixed

WIDTH = 100


def commented(settings: type[Settings], daemon: str) -> str:
    """The text of a TOML file that sets nothing yet. Defaults are those that hold on this machine."""
    defaults = settings()
    head = _comment(
        f"Settings of {daemon}, with their defaults. Take the # in front of a name away to set it, then "
        f"`systemctl reload {daemon}`."
    )
    parts = [
        f"{_comment(_sentence(settings, field))}\n#{field} = {_toml(getattr(defaults, field))}"
        for field in fields(settings)
    ]
    return "\n\n".join([head, *parts]) + "\n"


def _sentence(settings: type[Settings], field: str) -> str:
    words = [f"{about(settings, field)}."]
    if field in SECRET:
        words.append(f"If it holds a secret: in the file /etc/sysmonstm/credentials/{field}, read at each restart.")
    if credential := credential_files(settings).get(field):
        words.append(f"Unless set: the file /etc/sysmonstm/credentials/{credential}, read at each restart.")
    if field in fixed(settings):
        words.append("A change needs a restart.")
    return " ".join(words)


def _comment(sentence: str) -> str:
    return "\n".join(f"# {line}" for line in wrap(sentence, WIDTH, break_long_words=False, break_on_hyphens=False))


def _toml(value: object) -> str:
    """As TOML writes it; what is not set is an empty text."""
    if value is None:
        return '""'
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    # A text in JSON, without characters beyond ASCII escaped in pairs, is one in TOML; so are numbers and booleans.
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)
