"""Changes that are not yet written down, in order; it grows with the number of alerts only, however long it waits."""

from __future__ import annotations

from collections.abc import Iterable

from sysmonstm.alertd.alerts import Change, Key

# Of one alert. Beyond it the middle two go: a resolve and the firing after it, which undo each other.
KEPT = 4


class Backlog:
    """What waits for the database. Steps of pending alerts that something newer outdates go without a trace."""

    def __init__(self) -> None:
        self._waiting: dict[Key, list[Change]] = {}
        # Firings and resolves that were never written, because the database was away while an alert flapped.
        self.merged = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def put(self, changes: Iterable[Change]) -> None:
        """Add what happened last."""
        for change in changes:
            mine = [one for one in self._waiting.get(change.alert.key, []) if one.news]
            mine.append(change)
            if sum(one.news is not None for one in mine) > KEPT:
                del mine[1:3]
                self.merged += 2
            self._waiting[change.alert.key] = mine

    def first(self, limit: int) -> list[Change]:
        """The oldest changes, at most `limit`; those of one alert in the order in which they happened."""
        waiting = [change for changes in self._waiting.values() for change in changes]
        # The sort is stable, and within one alert the clock may have been set back.
        latest: dict[Key, int] = {}
        ordered = []
        for change in waiting:
            key = change.alert.key
            latest[key] = max(change.at_us, latest.get(key, 0))
            ordered.append((latest[key], change))
        ordered.sort(key=lambda pair: pair[0])
        return [change for _, change in ordered[:limit]]

    def done(self, changes: Iterable[Change]) -> None:
        """Forget what has been written."""
        for change in changes:
            key = change.alert.key
            left = [one for one in self._waiting.get(key, []) if one is not change]
            if left:
                self._waiting[key] = left
            else:
                self._waiting.pop(key, None)
