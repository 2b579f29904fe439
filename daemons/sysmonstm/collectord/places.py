"""Which names have series: new ones get a place seldom, as the hub stores each layout for good. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sysmonstm import logs
from sysmonstm.collectord.allowance import Allowance

log = logs.logger(__name__)

# So many layouts at once, then one in so many seconds.
AT_ONCE = 10
SECONDS_PER_CHANGE = 600.0


class Changes:
    """How often a layout may change. `now` is monotonic, in seconds; what changes at one `now` is one change.

    The first `now` that it is asked about is free: that is when the names that are there already are met.
    """

    def __init__(self) -> None:
        self._allowance: Allowance | None = None
        self._changed_at = 0.0

    def allowed(self, now: float) -> bool:
        """Whether the layout may be another one from now on."""
        if self._allowance is None:
            self._allowance, self._changed_at = Allowance(1 / SECONDS_PER_CHANGE, AT_ONCE, now), now
        # A sum of many small parts is a little less than the whole.
        return now == self._changed_at or self._allowance.left(now) > 1 - 1e-6

    def made(self, now: float) -> None:
        """It is another one; to be called only where it was allowed."""
        if self._allowance and now != self._changed_at:
            self._allowance.spend(1)
            self._changed_at = now


class Places:
    """At most `most` names, in the order in which they came; `most` may be changed at any time.

    All that wait are let in together. A name keeps its place until another one needs it and it is idle.
    """

    def __init__(self, source: str, most: int, changes: Changes) -> None:
        """`source` is whose names these are, for the log."""
        self.most = most
        self.names: dict[str, None] = {}
        self.waiting: dict[str, None] = {}
        # Whether the last one who was to be let in found no room.
        self.is_full = False
        self._source = source
        self._changes = changes
        self._said_waiting = False

    def ask(self, names: Iterable[str]) -> None:
        """Have these wait for a place, unless as many as there are places wait already."""
        for name in names:
            if name not in self.names and len(self.waiting) < max(self.most, 1):
                self.waiting[name] = None

    def settle(self, is_idle: Callable[[str], bool], now: float) -> None:
        """Let in those that wait, if that is allowed by now. Who is idle waits no more."""
        for name in list(self.names)[self.most :]:
            del self.names[name]
        self.waiting = {name: None for name in self.waiting if not is_idle(name)}
        if not self._changes.allowed(now):
            self._say_waiting()
            return
        idle = filter(is_idle, list(self.names))
        let_in = [name for name in self.waiting if self._let_in(name, idle)]
        self.is_full = len(let_in) < len(self.waiting)
        if let_in:
            self._changes.made(now)
        for name in let_in:
            del self.waiting[name]

    def _let_in(self, name: str, idle: Iterable[str]) -> bool:
        if len(self.names) >= self.most:
            gives_way = next(iter(idle), None)
            if gives_way is None:
                return False
            del self.names[gives_way]
        self.names[name] = None
        return True

    def _say_waiting(self) -> None:
        if self.waiting and not self._said_waiting:
            self._said_waiting = True
            sentence = f"new {self._source} come so often that they wait for their series, for ten minutes and more"
            log.info("series.wait", sentence, waiting=len(self.waiting))
