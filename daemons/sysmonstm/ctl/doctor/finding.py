"""What a check finds: how bad it is, in a sentence, and the commands that mend it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Verdict(enum.Enum):
    """How a check ends; the value is what is printed."""

    OK = "ok"
    # It could not be looked at. That is no fault of the machine's.
    UNSEEN = "?"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `fixes` are commands to type, or what to do where no command does it."""

    verdict: Verdict
    sentence: str
    fixes: tuple[str, ...] = ()


def ok(sentence: str) -> Finding:
    """It is as it should be."""
    return Finding(Verdict.OK, sentence)


def unseen(sentence: str, *fixes: str) -> Finding:
    """It could not be looked at; the sentence says why."""
    return Finding(Verdict.UNSEEN, sentence, fixes)


def warn(sentence: str, *fixes: str) -> Finding:
    """It works, but not as well or as safely as it should."""
    return Finding(Verdict.WARN, sentence, fixes)


def fail(sentence: str, *fixes: str) -> Finding:
    """Something does not work, or will soon not."""
    return Finding(Verdict.FAIL, sentence, fixes)
