"""What is said of the daemon, its rules and its alerts: a line of status, and JSON for the control interface.

Times are seconds since 1970.
"""

from __future__ import annotations

import math
from collections import Counter

from sysmonstm import __version__
from sysmonstm.alertd.alerts import Alert, seven_digits
from sysmonstm.alertd.parts import Parts, now_us
from sysmonstm.alertd.rules import Phase, Rule
from sysmonstm.alertd.webhook import shown_address

Json = dict[str, object]


def status_line(parts: Parts) -> str:
    """How it goes, in a line: what is watched, what fires, and what waits for whom."""
    engine, trouble = parts.engine, parts.trouble
    said = [_count(len(parts.fleet.machines), "machine"), _count(len(engine.rules), "rule"), f"{engine.firing} firing"]
    if trouble.redis:
        said.append(f"nothing is evaluated: {trouble.redis}")
    elif parts.deaf:
        said.append("no aggregator is heard")
    if trouble.database:
        said.append(f"{_count(parts.writer.unwritten, 'change')} for the database, which is away: {trouble.database}")
    if parts.delivery.waiting.count:
        said.append(f"{_count(parts.delivery.waiting.count, 'notification')} not taken yet{_why(parts)}")
    return ", ".join(said)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _why(parts: Parts) -> str:
    if parts.webhook.url is None:
        return ": no webhook is set"
    return f": the webhook {parts.trouble.webhook}" if parts.trouble.webhook else ""


def status(parts: Parts) -> Json:
    """How it goes, for programs."""
    engine, trouble, waiting = parts.engine, parts.trouble, parts.delivery.waiting
    return {
        "version": __version__,
        "machines": len(parts.fleet.machines),
        "rules": len(engine.rules),
        "rules_since": parts.rules_since_us / 1e6,
        "rules_file": str(parts.settings.rules_file) if parts.settings.rules_file else None,
        "firing": engine.firing,
        "pending": len(engine.alerts) - engine.firing,
        "hears_aggregators": not parts.deaf,
        "redis": _part(trouble.redis),
        "database": _part(trouble.database),
        "changes": {"unwritten": parts.writer.unwritten, "merged": parts.writer.merged},
        "notifications": {
            "webhook": shown_address(parts.webhook.url) if parts.webhook.url else None,
            "waiting": waiting.count,
            "failing": trouble.webhook or waiting.last_error,
        },
    }


def _part(trouble: str) -> Json:
    return {"state": "away" if trouble else "up", "detail": trouble}


def rules(parts: Parts) -> list[Json]:
    """The rules that hold, with every key, and how many alerts each has."""
    counts = Counter((alert.key.rule, alert.state.phase) for alert in parts.engine.alerts)
    return [
        _rule(rule) | {"firing": counts[rule.name, Phase.FIRING], "pending": counts[rule.name, Phase.PENDING]}
        for rule in parts.engine.rules.values()
    ]


def _rule(rule: Rule) -> Json:
    limit = rule.limit
    return {
        "rule": rule.name,
        "source": rule.origin.value,
        "severity": rule.severity.value,
        "machine": rule.machine,
        "for_seconds": rule.hold_us / 1e6,
        "silent": limit is None,
        "metric": limit.metric if limit else None,
        "instance": limit.instance if limit else None,
        "comparison": limit.comparison.value if limit else None,
        "threshold": limit.threshold if limit else None,
        "clear": limit.clear if limit else None,
        # What is said when it fires and when it resolves, if not what alertd makes up itself.
        "message": rule.message,
        "resolved": rule.resolved,
    }


def alerts(parts: Parts) -> list[Json]:
    """What fires, then what is pending; the newest first."""
    known = sorted(parts.engine.alerts, key=lambda one: (one.state.phase is Phase.PENDING, -one.state.since_us))
    now = now_us()
    return [_alert(one, parts.engine.rules[one.key.rule], now) for one in known if one.key.rule in parts.engine.rules]


def _alert(alert: Alert, rule: Rule, now: int) -> Json:
    state = alert.state
    left = (state.since_us + rule.hold_us - now) / 1e6
    return {
        "rule": alert.key.rule,
        "severity": alert.severity,
        "state": state.phase.value,
        "machine": alert.key.machine,
        "metric": alert.metric,
        "instance": alert.key.instance,
        "value": seven_digits(state.value) if math.isfinite(state.value) else None,
        "threshold": alert.threshold,
        "since": state.since_us / 1e6,
        "seen": state.seen_us / 1e6,
        # Until it fires if it holds for so long; null once it has.
        "hold_left_seconds": max(left, 0.0) if state.phase is Phase.PENDING else None,
        "message": alert.message,
    }
