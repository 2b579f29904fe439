"""Reads TOML that people or strangers wrote: what is not good, or made to take long, is refused in a sentence."""

from __future__ import annotations

import re
import tomllib
from typing import Any

# Much more than any file of ours has: the reader's work grows with the square of the parts of a dotted name,
MOST_PARTS = 16
# and an integer of thousands of digits can be neither read nor shown.
LONGEST_WORD = 300

# Strings and comments, each to its end, or to where the reader gives up: a dot in one means nothing.
_QUOTED = re.compile(
    r'"""(?:[^"\\]++|\\.|"{1,2}(?!"))*+(?:"{3,5}|\Z)'
    r"|'''(?:[^']++|'{1,2}(?!'))*+(?:'{3,5}|\Z)"
    r'|"(?:[^"\\\n]++|\\[^\n])*+"?'
    r"|'[^'\n]*+'?"
    r"|\#[^\n]*+",
    re.DOTALL,
)
_LONG_WORD = re.compile(rf"[A-Za-z0-9_+-]{{{LONGEST_WORD + 1}}}")
_LONG_NAME = re.compile(rf"(?<![A-Za-z0-9_-])(?:[A-Za-z0-9_-]++[ \t]*+\.[ \t]*+){{{MOST_PARTS}}}")


class TomlError(ValueError):
    """A text that is not taken. It says why as the end of a sentence that begins with the name of the text."""


def parse(text: str) -> dict[str, Any]:
    """What a text says; TomlError if it is not TOML, or not as people write it."""
    bare = _QUOTED.sub(_hollow, text)
    if found := _LONG_WORD.search(bare):
        raise TomlError(f"has a word of more than {LONGEST_WORD} characters (at line {_line(bare, found)})")
    if found := _LONG_NAME.search(bare):
        raise TomlError(f"has a name of more than {MOST_PARTS} parts (at line {_line(bare, found)})")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise TomlError("is nested too deeply") from None
    except ValueError as error:
        # Of a TOMLDecodeError, and of what the types of numbers and dates say themselves.
        raise TomlError(f"is not TOML: {error}") from None


def _hollow(quoted: re.Match[str]) -> str:
    """A quoted name is still a part of a name; what is commented out is nothing. Lines stay lines."""
    text = quoted[0]
    return "" if text.startswith("#") else "s" + "\n" * text.count("\n")


def _line(text: str, found: re.Match[str]) -> int:
    return text.count("\n", 0, found.start()) + 1
