"""What a change of a unit means: decides, from how the unit was and what was seen of it, what has happened."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace

from sysmonstm.collectord.happening import Happening, Severity

FAILED = "unit.failed"
RECOVERED = "unit.recovered"
RESTARTED = "unit.restarted"
STARTED = "unit.started"
STOPPED = "unit.stopped"

# Who restarts every second says so once, and how often when this many seconds have passed.
RESTARTS_EVERY = 60.0

RUNNING = frozenset({"active", "reloading", "refreshing"})


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is seen: monotonic seconds, and microseconds since 1970."""

    monotonic: float
    time_us: int


@dataclass(frozen=True, slots=True)
class State:
    """ActiveState and SubState of a unit."""

    active: str = "inactive"
    sub: str = "dead"

    @property
    def failed(self) -> bool:
        """Whether it has failed for good: since systemd 254 a service passes through failed before each restart."""
        return self.active == "failed" and not self.restarts_soon

    @property
    def running(self) -> bool:
        """Whether it does what it is for."""
        return self.active in RUNNING

    @property
    def at_rest(self) -> bool:
        """Whether it was stopped, or reset after it had failed."""
        return self.active == "inactive" and not self.restarts_soon

    @property
    def restarts_soon(self) -> bool:
        """Whether systemd waits to restart it by itself."""
        return "auto-restart" in self.sub


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as it was last seen."""

    name: str
    description: str = ""
    state: State = State()
    # It has failed, and was neither started well nor reset since.
    failing: bool = False
    # It was seen to wait for an automatic restart, and is not up again.
    restarting: bool = False
    # NRestarts as it was last read, None was never; how many were not said, and when some were.
    restarts: int | None = None
    restarts_unsaid: int = 0
    restarts_said_at: float | None = None
    # Whether its starts and stops are worth saying: a service that is neither oneshot nor transient. None is not known.
    lasting: bool | None = None

    @property
    def is_service(self) -> bool:
        """Whether it is a service; others have no restarts and no exit code."""
        return self.name.endswith(".service")


@dataclass(frozen=True, slots=True)
class Details:
    """What was read of a unit because it has changed; what was not read is empty or None.

    `code` and `status` are ExecMainCode (1 exited, 2 killed, 3 dumped) and ExecMainStatus (exit code or signal).
    """

    result: str = ""
    code: int = 0
    status: int = 0
    restarts: int | None = None
    lasting: bool | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of a unit since it was last looked at: the states it went through, the one of now last."""

    states: tuple[State, ...]
    details: Details = Details()


@dataclass(frozen=True, slots=True)
class Questions:
    """What is worth reading of a unit: why it failed, how often it was restarted, what kind of service it is."""

    failure: bool = False
    restarts: bool = False
    nature: bool = False


def questions(before: Unit, states: tuple[State, ...]) -> Questions:
    """What has to be known to say what the states mean."""
    steps = list(_steps(before.state, _meant(before.state, states, restarted=False)))
    changed = any(old != new for old, new in steps)
    return Questions(
        failure=any(new.failed and not old.failed for old, new in steps),
        restarts=before.is_service and (changed or before.restarts is None),
        nature=before.is_service
        and before.lasting is None
        and any((new.running and not old.running) or (new.at_rest and not old.at_rest) for old, new in steps),
    )


def change(before: Unit, sight: Sight, now: Moment) -> tuple[Unit, list[Happening]]:
    """The unit as it is now, and what has happened to it, in order."""
    details = sight.details
    lasting = before.lasting if details.lasting is None else details.lasting
    unit, happenings = _counted(replace(before, lasting=lasting), details.restarts), []
    restarts_more = unit.restarts_unsaid > before.restarts_unsaid
    for old, new in _steps(before.state, _meant(before.state, sight.states, restarts_more)):
        if new.failed and not old.failed:
            happenings.append(_failure(unit, details, now))
        elif unit.failing and (new.running or new.at_rest):
            happenings.append(_recovery(unit, new, now))
        elif unit.lasting and not unit.restarting and new.running and not old.running:
            happenings.append(_plain(STARTED, unit, f"{unit.name} has started", now))
        elif unit.lasting and new.at_rest and not old.at_rest:
            happenings.append(_plain(STOPPED, unit, f"{unit.name} has stopped", now))
        unit = _after(unit, new)
    if restarts_more:
        # A start that was an automatic restart is said as that only, be it by and by.
        happenings = [one for one in happenings if one.kind not in (STARTED, STOPPED)]
        unit = replace(unit, restarting=unit.restarting or unit.state.at_rest)
    unit, restarted = restarts_to_say(unit, now)
    return unit, [*happenings, *([restarted] if restarted else [])]


def restarts_to_say(unit: Unit, now: Moment) -> tuple[Unit, Happening | None]:
    """What is to be said of restarts by now, at most once in RESTARTS_EVERY seconds; the unit with that said."""
    count = unit.restarts_unsaid
    if not count:
        return unit, None
    if unit.restarts_said_at is not None and now.monotonic - unit.restarts_said_at < RESTARTS_EVERY:
        return unit, None
    times = "" if count == 1 else f" {count} times"
    happening = Happening(
        RESTARTED,
        Severity.WARNING,
        f"systemd has restarted {unit.name}{times}",
        _fields(unit, count=str(count), restarts=str(unit.restarts)),
        now.time_us,
    )
    return replace(unit, restarts_unsaid=0, restarts_said_at=now.monotonic), happening


def _steps(first: State, states: tuple[State, ...]) -> Iterator[tuple[State, State]]:
    return zip((first, *states), states, strict=False)


def _meant(first: State, states: tuple[State, ...], restarted: bool) -> tuple[State, ...]:
    """The states that mean something: before 254, a service that systemd restarts passes through failed and dead."""
    return tuple(
        new
        for old, new, following in zip((first, *states), states, (*states[1:], None), strict=False)
        if following is None or not _is_passed(old, new, following, restarted)
    )


def _is_passed(old: State, new: State, following: State, restarted: bool) -> bool:
    if following.restarts_soon:
        return new.failed or new.at_rest
    # Without a restart, somebody has stopped it while it waited for one.
    return restarted and old.restarts_soon and new.at_rest


def _after(unit: Unit, new: State) -> Unit:
    settled = new.running or new.at_rest
    return replace(
        unit,
        state=new,
        failing=new.failed or (unit.failing and not settled),
        restarting=new.restarts_soon or (unit.restarting and not settled and not new.failed),
    )


def _counted(unit: Unit, restarts: int | None) -> Unit:
    if restarts is None:
        return unit
    # What was before it was first looked at is no news. Whoever starts it by hand sets the count back.
    before = restarts if unit.restarts is None else unit.restarts
    return replace(unit, restarts=restarts, restarts_unsaid=unit.restarts_unsaid + max(0, restarts - before))


def _failure(unit: Unit, details: Details, now: Moment) -> Happening:
    exited = {"exit_code": str(details.status)} if details.code == 1 else {}
    killed = {"signal": signal_name(details.status)} if details.code in (2, 3) else {}
    restarts = details.restarts if details.restarts is not None else unit.restarts
    counted = {} if restarts is None else {"restarts": str(restarts)}
    # What was read after the next start has begun says nothing of how the one before has ended.
    result = "" if details.result == "success" else details.result
    fields = _fields(unit, **({"result": result} if result else {}), **exited, **killed, **counted)
    reasons = [result, *(f"exit code {code}" for code in exited.values()), *killed.values()]
    reason = ", ".join(filter(None, reasons))
    sentence = f"{unit.name} has failed: {reason}" if reason else f"{unit.name} has failed"
    return Happening(FAILED, Severity.WARNING, sentence, fields, now.time_us)


def _recovery(unit: Unit, new: State, now: Moment) -> Happening:
    how = "runs again" if new.running else "is no longer failed"
    return _plain(RECOVERED, unit, f"{unit.name} {how}", now, state=new.active)


def _plain(kind: str, unit: Unit, sentence: str, now: Moment, **more: str) -> Happening:
    return Happening(kind, Severity.INFO, sentence, _fields(unit, **more), now.time_us)


def _fields(unit: Unit, **more: str) -> dict[str, str]:
    described = {"description": unit.description} if unit.description else {}
    return {"unit": unit.name, **described, **more}


def signal_name(number: int) -> str:
    """SIGKILL for 9; for what has no name, its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
