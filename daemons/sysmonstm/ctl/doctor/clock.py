"""Whether this machine's clock is kept right, and how far the clocks of the machines of a hub are off."""

from __future__ import annotations

import ctypes
import math
from typing import Any

from sysmonstm.ctl.doctor import asking
from sysmonstm.ctl.doctor.finding import Finding, ok, unseen, warn
from sysmonstm.ctl.doctor.place import Place
from sysmonstm.ctl.format import duration_text

# Graphs of two machines are compared by the eye; less than this is not seen.
SKEW_SECONDS = 5.0
MOST_NAMED = 5
# adjtimex(2): what it returns while nobody keeps the clock right, and room for what it tells besides.
TIME_ERROR = 5
TIMEX_BYTES = 512
FIX = "timedatectl set-ntp true"


def check(place: Place) -> list[Finding]:
    """Both."""
    inside = asking.command(["systemd-detect-virt", "--container", "--quiet"])
    found = judge_clock(synchronized(), is_container=bool(inside and inside.succeeded))
    if place.daemon("gatewayd"):
        found += judge_skews(asking.answer(f"{place.url}/api/machines"))
    return found


def synchronized() -> bool | None:
    """Whether the kernel has been told of late that its clock is right; None if it does not say.

    timedatectl says the same, and starts a service for it.
    """
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != TIME_ERROR


def judge_clock(is_synchronized: bool | None, *, is_container: bool) -> list[Finding]:
    """What is to be said of the clock."""
    if is_synchronized:
        return [ok("the clock is synchronized")]
    if is_container:
        return [ok("this is a container: its host keeps the clock")]
    if is_synchronized is None:
        return [unseen("the kernel does not say whether the clock is synchronized")]
    sentence = "the clock is not synchronized: samples and events may have wrong times"
    return [warn(sentence, FIX, "timedatectl timesync-status")]


def judge_skews(answer: Any) -> list[Finding]:
    """What is to be said of the clocks in the answer of /api/machines; the gateway's check says if there is none."""
    machines = answer.get("machines") if isinstance(answer, dict) else None
    if not isinstance(machines, list):
        return []
    skews = {str(one.get("machine")): one.get("skew_seconds") for one in machines if isinstance(one, dict)}
    off = {name: skew for name, skew in skews.items() if isinstance(skew, (int, float)) and abs(skew) > SKEW_SECONDS}
    if not off:
        return [ok(f"the clocks of all {len(skews)} machines agree with the hub's")] if skews else []
    worst = sorted(off, key=lambda name: -abs(off[name]))
    named = ", ".join(f"{name} by {_seconds(off[name])}" for name in worst[:MOST_NAMED])
    more = f" and {len(worst) - MOST_NAMED} more" if len(worst) > MOST_NAMED else ""
    return [warn(f"clocks are off: {named}{more}", f"on each: {FIX}")]


def _seconds(skew: float) -> str:
    ahead = "ahead" if skew > 0 else "behind"
    return f"{duration_text(math.fabs(skew))} {ahead}"
