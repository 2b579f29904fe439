"""Decides whether a system was activated between two looks, and says so in a sentence. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from sysmonstm.collectord.deployment.words import Deployment, Running
from sysmonstm.collectord.happening import Happening, Severity

ACTIVATED = "system.activated"
_SHORT_REVISION = 8
_DIRTY = "-dirty"


def activation(before: Running | None, now: Deployment) -> Happening | None:
    """What happened since `before`, the system that ran last as far as is known; None if that is nothing to tell of.

    A boot activates a system too, which is news only where it is another one than the one that ran last.
    """
    running = now.running
    if before is None:
        return None
    is_other = before.system != running.system
    booted = before.boot != running.boot
    if not is_other and (booted or before.activated_ns == running.activated_ns):
        return None
    sentence = _sentence(before, running, booted=booted)
    if now.needs_reboot:
        sentence += f"; needs a reboot: {', '.join(now.needs_reboot)}"
    fields = _fields(before, now)
    return Happening(ACTIVATED, Severity.INFO, sentence, fields, _time_ns(before, running) // 1000)


def _time_ns(before: Running, running: Running) -> int:
    """When it was activated as its link says, if that can be; else when it was seen.

    A machine without a clock of its own makes the link of a boot in 1970, in each boot a little earlier or later: what
    the link said before tells nothing of it. When that was seen does, as by then most such machines know the time.
    """
    can_be = before.seen_ns < running.activated_ns <= running.seen_ns
    return running.activated_ns if can_be else running.seen_ns


def _sentence(before: Running, running: Running, *, booted: bool) -> str:
    if before.system == running.system:
        return f"{_name(running)} was activated again"
    if booted:
        return f"{_name(running)} was booted, after {_short_name(before)}"
    return f"{_name(running)} was activated, after {_short_name(before)}"


def _name(running: Running) -> str:
    """As in "generation 43 (gaming, revision 1a2b3c4d)"."""
    name = "a system of no generation" if running.generation is None else f"generation {running.generation}"
    revision = f"revision {_short(running.revision)}" if running.revision else ""
    more = ", ".join(filter(None, (running.specialisation, revision)))
    return f"{name} ({more})" if more else name


def _short_name(running: Running) -> str:
    name = "one of no generation" if running.generation is None else str(running.generation)
    return f"{name} ({running.specialisation})" if running.specialisation else name


def _short(revision: str) -> str:
    whole = revision.removesuffix(_DIRTY)
    return whole[:_SHORT_REVISION] + revision[len(whole) :]


def _fields(before: Running, now: Deployment) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    for name, value in _words(now.running).items():
        fields |= {name: value, f"previous_{name}": _words(before)[name]}
    fields["needs_reboot"] = ", ".join(now.needs_reboot)
    return {name: value for name, value in fields.items() if value}


def _words(running: Running) -> dict[str, str]:
    return {
        "generation": "" if running.generation is None else str(running.generation),
        "system": running.system,
        "revision": running.revision,
        "label": running.label,
        "specialisation": running.specialisation,
    }
