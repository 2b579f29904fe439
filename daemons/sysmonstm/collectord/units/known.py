"""All units as they were last seen: what happens to them is said, within bounds, and what probes show of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from sysmonstm import logs
from sysmonstm.collectord.happening import Happening, Severity
from sysmonstm.collectord.places import Changes, Places
from sysmonstm.collectord.units import state
from sysmonstm.collectord.units.state import Moment, Sight, State, Unit

log = logs.logger(__name__)

UNSAID = "unit.unsaid"

# Beyond, units are neither followed nor counted: systemd itself takes no more than 131072.
MOST_UNITS = 5000
# Units that have series of their own, for each metric: those that have ever failed, and were ever restarted.
MOST_SHOWN = 100
WINDOW_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Listed:
    """A unit as systemd lists it."""

    name: str
    description: str
    state: State
    job_id: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What probes show: how many units are active, have failed and have jobs that wait, and units by name."""

    active: int = 0
    failed: int = 0
    jobs: int = 0
    by_failure: tuple[tuple[str, bool], ...] = ()
    by_restarts: tuple[tuple[str, int], ...] = ()


@dataclass(slots=True)
class Allowance:
    """How many happenings of its kinds may be said a minute; the others are counted."""

    most: int
    kinds: frozenset[str]
    _said: int = 0
    _since: float = 0.0

    def takes(self, now: float) -> bool:
        """Whether one more may be said at `now`, in monotonic seconds."""
        if now - self._since >= WINDOW_SECONDS:
            self._said, self._since = 0, now
        self._said += 1
        return self._said <= self.most


class Units:
    """What is known of the units. `say` is called with what happens."""

    def __init__(self, say: Callable[[Happening], None]) -> None:
        self._say = say
        self._units: dict[str, Unit] = {}
        self._jobs: set[int] = set()
        changes = Changes()
        self._failed_shown = Places("units that have failed", MOST_SHOWN, changes)
        self._restarts_shown = Places("units that were restarted", MOST_SHOWN, changes)
        # Those of which restarts are held back.
        self._restarts_held: set[str] = set()
        self._said_full = False
        self._allowances = (
            Allowance(100, frozenset({state.FAILED, state.RECOVERED, state.RESTARTED})),
            Allowance(30, frozenset({state.STARTED, state.STOPPED})),
        )
        self._unsaid = 0
        self._unsaid_at = 0.0
        self._said_many = False

    def __contains__(self, name: str) -> bool:
        return name in self._units

    def unit(self, name: str) -> Unit:
        """The unit as it is known; one that is not has never been up."""
        return self._units.get(name) or Unit(name)

    def know(self, listed: Iterable[Listed]) -> None:
        """The very first list: what was before is no news."""
        for one in listed:
            if self._has_room(one.name):
                self._keep(Unit(one.name, one.description, one.state, failing=one.state.failed))

    def describe(self, listed: Listed) -> None:
        """How people call this unit."""
        if self._has_room(listed.name):
            self._keep(replace(self.unit(listed.name), description=listed.description))

    def see(self, name: str, sight: Sight, now: Moment) -> None:
        """A unit was looked at."""
        if not self._has_room(name):
            return
        unit, happenings = state.change(self.unit(name), sight, now)
        self._keep(unit)
        for happening in happenings:
            self._tell(happening, now)

    def was_restarted(self, name: str, restarts: int, now: Moment) -> None:
        """Systemd has restarted this unit just before it was first looked at, and that is news."""
        unit = self.unit(name)
        unit = replace(unit, restarts=restarts, restarts_unsaid=1, restarting=not unit.state.running)
        unit, restarted = state.restarts_to_say(unit, now)
        self._keep(unit)
        if restarted:
            self._tell(restarted, now)

    def remove(self, name: str, now: Moment) -> None:
        """Systemd has let go of a unit: it does not run, and its failure was forgotten."""
        if name in self._units:
            self.see(name, Sight((State(),)), now)
            self.forget(name)

    def forget(self, name: str) -> None:
        """Nothing is to be said of this unit any more."""
        self._units.pop(name, None)
        self._restarts_held.discard(name)

    def keep_only(self, names: set[str], now: Moment) -> None:
        """These are all that systemd has."""
        for gone in [name for name in self._units if name not in names]:
            self.remove(gone, now)

    def forget_natures(self) -> None:
        """Unit files may have changed."""
        self._units = {name: replace(unit, lasting=None) for name, unit in self._units.items()}

    def jobs_are(self, ids: Iterable[int]) -> None:
        """These jobs wait or run."""
        self._jobs = set(ids)

    def job_added(self, number: int) -> None:
        """One more job."""
        if len(self._jobs) < 2 * MOST_UNITS:
            self._jobs.add(number)

    def job_removed(self, number: int) -> None:
        """One job less."""
        self._jobs.discard(number)

    def say_what_is_due(self, now: Moment) -> None:
        """Say what was held back and may be said by now. To be called every few seconds."""
        for name in sorted(self._restarts_held):
            unit, restarted = state.restarts_to_say(self.unit(name), now)
            if restarted:
                self._keep(unit)
                self._tell(restarted, now)
        if self._unsaid and now.monotonic - self._unsaid_at >= WINDOW_SECONDS:
            count, self._unsaid = self._unsaid, 0
            sentence = f"{count} more changes of units were not said: too many within a minute"
            self._say(Happening(UNSAID, Severity.INFO, sentence, {"count": str(count)}, now.time_us))

    def give_places(self, now: Moment) -> None:
        """Let units that wait have series, if they may by now. To be called every few seconds."""
        self._failed_shown.settle(lambda name: not self.unit(name).failing, now.monotonic)
        self._restarts_shown.settle(lambda name: not self.unit(name).restarts, now.monotonic)
        if not self._said_full and (self._failed_shown.is_full or self._restarts_shown.is_full):
            self._said_full = True
            sentence = f"more than {MOST_SHOWN} units would have series; the others are only counted"
            log.warning("units.hidden", sentence)

    def snapshot(self) -> Snapshot:
        """What probes show now."""
        units: Mapping[str, Unit] = self._units
        failing = {name for name, unit in units.items() if unit.failing}
        return Snapshot(
            active=sum(unit.state.running for unit in units.values()),
            failed=len(failing),
            jobs=len(self._jobs),
            by_failure=tuple((name, name in failing) for name in self._failed_shown.names),
            by_restarts=tuple((name, self.unit(name).restarts or 0) for name in self._restarts_shown.names),
        )

    def _keep(self, unit: Unit) -> None:
        self._units[unit.name] = unit
        if unit.failing:
            self._failed_shown.ask([unit.name])
        if unit.restarts:
            self._restarts_shown.ask([unit.name])
        if unit.restarts_unsaid:
            self._restarts_held.add(unit.name)
        else:
            self._restarts_held.discard(unit.name)

    def _has_room(self, name: str) -> bool:
        if name in self._units or len(self._units) < MOST_UNITS:
            return True
        if not self._said_many:
            self._said_many = True
            log.warning("units.too_many", f"systemd has more than {MOST_UNITS} units; the others are not followed")
        return False

    def _tell(self, happening: Happening, now: Moment) -> None:
        for allowance in self._allowances:
            if happening.kind in allowance.kinds and not allowance.takes(now.monotonic):
                if not self._unsaid:
                    self._unsaid_at = now.monotonic
                self._unsaid += 1
                return
        self._say(happening)
