"""`sysmonctl rules`: the rules that alertd goes by, and whether a file of rules is good."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from sysmonstm.config import UserError
from sysmonstm.ctl.alerts import dicts
from sysmonstm.ctl.control import Json, ask
from sysmonstm.ctl.format import aligned, duration_text
from sysmonstm.logs import printable

HEADINGS = ("RULE", "SOURCE", "SEVERITY", "MACHINES", "CONDITION", "FOR", "FIRING", "PENDING")


def rules(socket: Path, as_json: bool) -> None:
    """Print them; UserError if alertd does not answer."""
    found = dicts(ask(socket, "GET", "/rules").get("rules"))
    if as_json:
        print(json.dumps({"rules": found}, indent=2))
    else:
        print("\n".join(table(found)))


def table(found: Sequence[Json]) -> list[str]:
    """Lines of equal columns, the headings first. Safe to print."""
    if not found:
        return ["there is no rule"]
    return aligned([HEADINGS, *(_cells(rule) for rule in found)], right=frozenset({5, 6, 7}))


def _cells(rule: Json) -> tuple[str, ...]:
    hold = rule.get("for_seconds")
    words = (rule.get("rule"), rule.get("source"), rule.get("severity"), rule.get("machine"), _condition(rule))
    counts = (rule.get("firing"), rule.get("pending"))
    return (
        *(printable(str(word)) for word in words),
        duration_text(hold if isinstance(hold, float) else 0.0),
        *(printable(str(count)) for count in counts),
    )


def _condition(rule: Json) -> str:
    """`filesystem.percent of /data* > 70, clear at 65`."""
    if rule.get("silent"):
        return "no samples"
    of = "" if rule.get("instance") == "*" else f" of {rule.get('instance')}"
    clear = "" if rule.get("clear") == rule.get("threshold") else f", clear at {_short(rule.get('clear'))}"
    return f"{rule.get('metric')}{of} {rule.get('comparison')} {_short(rule.get('threshold'))}{clear}"


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def check(socket: Path, file: Path) -> None:
    """Say that a file of rules is good; UserError, which says why, if it is not. `-` is standard input."""
    try:
        text = sys.stdin.buffer.read() if file == Path("-") else file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from None
    answer = ask(socket, "POST", "/check", text)
    if not answer.get("good"):
        raise UserError(f"{file} is not good: {answer.get('fault')}")
    print(f"{printable(str(file))} is good: {answer.get('rules')} rules would hold")
