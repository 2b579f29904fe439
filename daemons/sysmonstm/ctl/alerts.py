"""`sysmonctl alerts` and `sysmonctl test-notification`: what is wrong now, and whether people would hear of it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sysmonstm.config import UserError
from sysmonstm.ctl.control import Json, ask
from sysmonstm.ctl.format import aligned, duration_text
from sysmonstm.logs import printable

HEADINGS = ("STATE", "SEVERITY", "MACHINE", "RULE", "FOR", "WHAT")


@dataclass(frozen=True, slots=True)
class Alert:
    """One line of the table. The strings are a machine's or a rule's own: escape them."""

    state: str
    severity: str
    machine: str
    rule: str
    since: float
    hold_left_seconds: float | None
    message: str


def alerts(socket: Path, as_json: bool, with_pending: bool) -> None:
    """Print what fires, and what is pending too if asked; UserError if alertd does not answer."""
    found = ask(socket, "GET", "/alerts").get("alerts")
    shown = [one for one in dicts(found) if with_pending or one.get("state") == "firing"]
    if as_json:
        print(json.dumps({"alerts": shown}, indent=2))
    else:
        print("\n".join(table([_alert(one) for one in shown], time.time())))


def dicts(found: object) -> list[Json]:
    """A list of objects; UserError if it is none."""
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UserError("sysmon-alertd answers what this sysmonctl does not understand; use the one of its version")
    return found


def _alert(one: Json) -> Alert:
    left = one.get("hold_left_seconds")
    return Alert(
        str(one.get("state")),
        str(one.get("severity")),
        str(one.get("machine")),
        str(one.get("rule")),
        _number(one.get("since")),
        None if left is None else _number(left),
        str(one.get("message")),
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def table(found: Sequence[Alert], now: float) -> list[str]:
    """Lines of equal columns, the headings first; `now` in seconds since 1970. Safe to print."""
    if not found:
        return ["nothing fires"]
    return aligned([HEADINGS, *(_cells(alert, now) for alert in found)], right=frozenset({4}))


def _cells(alert: Alert, now: float) -> tuple[str, ...]:
    left = f" (fires in {duration_text(alert.hold_left_seconds)})" if alert.hold_left_seconds is not None else ""
    return (
        printable(alert.state),
        printable(alert.severity),
        printable(alert.machine),
        printable(alert.rule),
        duration_text(now - alert.since),
        printable(alert.message) + left,
    )


def send_test(socket: Path) -> None:
    """Have one sent, and say how that went; UserError if it was not taken."""
    answer = ask(socket, "POST", "/test")
    where, took = printable(str(answer.get("webhook"))), _number(answer.get("seconds"))
    if not answer.get("taken"):
        raise UserError(f"the webhook at {where} {answer.get('error')}, after {took:.2f} s; look at ALERTS_WEBHOOK_URL")
    print(f"the webhook at {where} took the test notification: {answer.get('status')}, after {took:.2f} s")
