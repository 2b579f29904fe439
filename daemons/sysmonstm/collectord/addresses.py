"""Which of several aggregators to try next: decides, and waits for nothing."""

from __future__ import annotations

from collections.abc import Sequence


class Addresses:
    """Aggregators by preference, the best first, and the order in which to try them from now on."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._preferred = tuple(dict.fromkeys(addresses))
        self._order = list(self._preferred)

    def __len__(self) -> int:
        return len(self._preferred)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Addresses) and self._preferred == other._preferred

    def __hash__(self) -> int:
        return hash(self._preferred)

    @property
    def next(self) -> str:
        """The one to try."""
        return self._order[0]

    def failed(self, was_good: bool) -> None:
        """The one that was tried does not answer, or no longer; `was_good` if it was of use meanwhile.

        It comes last now. After a good connection the others are tried in the order of preference, so that the first
        is found again; otherwise in the order of now, so that each of them has its turn.
        """
        failed = self._order[0]
        others = self._preferred if was_good else self._order
        self._order = [*(one for one in others if one != failed), failed]
