"""What systemd has signalled of its units and nobody has looked at: folded, so that a flood costs one look a unit."""

from __future__ import annotations

from dataclasses import dataclass, field

from sysmonstm.collectord.units.known import MOST_UNITS
from sysmonstm.collectord.units.state import Details, State

# A unit that goes through more states between two looks has its first ones forgotten.
MOST_STATES = 6


@dataclass(slots=True)
class Change:
    """The states that a unit was seen in, oldest first; whether it must be asked for that of now, or is gone.

    `was_put_off`: it was looked at before, and it was not certain yet what it meant.
    """

    states: list[State] = field(default_factory=list)
    is_unknown: bool = False
    is_gone: bool = False
    was_put_off: bool = False
    # Why it has failed, for when systemd does not know the unit any more.
    details: Details = field(default_factory=Details)

    @property
    def failed(self) -> bool:
        """Whether it was seen to fail."""
        return any(state.failed for state in self.states)

    @property
    def ends_failed(self) -> bool:
        """Whether the last that was seen is a failure that nobody has asked systemd about yet."""
        return not self.is_gone and not self.was_put_off and bool(self.states) and self.states[-1].failed


@dataclass(slots=True)
class Batch:
    """What was signalled since the last look: the units by name, or that everything must be listed anew."""

    changes: dict[str, Change] = field(default_factory=dict)
    everything: bool = False

    def tells_of(self, name: str) -> bool:
        """Whether it has states of a unit."""
        change = self.changes.get(name)
        return change is not None and bool(change.states)

    def changed(self, name: str, state: State) -> None:
        """The unit is in this state now."""
        if (change := self._of(name)) is not None:
            change.is_gone = False
            change.is_unknown = False
            if change.states[-1:] != [state]:
                change.states = [*change.states[1 - MOST_STATES :], state]

    def ended(self, name: str, details: Details) -> None:
        """The unit has not ended well."""
        if (change := self._of(name)) is not None:
            change.details = details

    def appeared(self, name: str) -> None:
        """The unit was loaded."""
        if (change := self._of(name)) is not None:
            change.is_gone, change.is_unknown = False, True

    def removed(self, name: str) -> None:
        """Systemd has let go of the unit."""
        if (change := self._of(name)) is not None:
            change.is_gone, change.is_unknown = True, False

    def put_off(self, name: str, change: Change, current: State) -> None:
        """The change is looked at later, with what is signalled meanwhile; if nothing is, it is in this state."""
        if (newer := self._of(name)) is not None:
            newer.states = [*change.states, *(newer.states or [current])][-MOST_STATES:]
            newer.details = newer.details if newer.details.result else change.details
            newer.was_put_off = True

    def forget(self) -> None:
        """Nothing of it is worth a look: everything will be listed."""
        self.changes.clear()
        self.everything = True

    def _of(self, name: str) -> Change | None:
        if name not in self.changes and len(self.changes) >= MOST_UNITS:
            self.forget()
        if self.everything:
            return None
        return self.changes.setdefault(name, Change())
