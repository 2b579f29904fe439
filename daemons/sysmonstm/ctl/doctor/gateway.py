"""Whether the dashboard answers, and what it lacks by its own account."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from sysmonstm.ctl.doctor import asking
from sysmonstm.ctl.doctor.finding import Finding, fail, ok, warn
from sysmonstm.ctl.doctor.place import Place

# What it says of a dependency that it has yet to ask.
NOT_ASKED = "not asked yet"
TRIES = 5
# Who is to be looked at for what the gateway lacks.
UNITS = {
    "redis": "redis-server",
    "database": "postgresql",
    "aggregator": "sysmon-aggregatord",
    "alertd": "sysmon-alertd",
}


def check(place: Place) -> list[Finding]:
    """Ask /ready."""
    if place.daemon("gatewayd") is None:
        return []
    answer = asking.answer(f"{place.url}/ready")
    for _ in range(TRIES):
        if NOT_ASKED not in json.dumps(answer):
            break
        # It was started by this very question.
        time.sleep(1.0)
        answer = asking.answer(f"{place.url}/ready")
    return judge(place.url, answer, place.look)


def judge(url: str, ready: Any, look: Callable[[str], str]) -> list[Finding]:
    """What is to be said of the answer of /ready, None if there is none; `look` names the command to look at a unit."""
    if ready is None:
        return [fail(f"the dashboard at {url} does not answer", look("sysmon-gatewayd"))]
    dependencies = ready.get("dependencies") if isinstance(ready, dict) else None
    if not isinstance(dependencies, dict):
        return [fail(f"what answers at {url} is no gateway of sysmonstm", "look who listens there: ss -ltnp")]
    found: list[Finding] = []
    for name, one in dependencies.items():
        if one.get("state") != "up":
            say = fail if one.get("needed") else warn
            found.append(
                say(f"the dashboard lacks {name}: {one.get('detail')}", *([look(UNITS[name])] if name in UNITS else []))
            )
    return found or [ok(f"the dashboard at {url} has all that it needs")]
