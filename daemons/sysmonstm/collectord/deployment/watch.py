"""Looks with each sample whether something was deployed, tells of it once, and remembers it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sysmonstm.collectord.deployment.memory import Memory
from sysmonstm.collectord.deployment.news import activation
from sysmonstm.collectord.deployment.reading import Mark, is_nixos, marked, read
from sysmonstm.collectord.deployment.words import Deployment
from sysmonstm.collectord.happening import Happening

Tell = Callable[[Happening | None, Deployment], None]


class DeploymentWatch:
    """For one thread, a probe's. `tell` is called in it, when what is deployed has changed since the look before.

    It is also called at the first look, where that finds another system than the one that ran before this collector.
    """

    def __init__(self, root: Path, memory: Memory, tell: Tell) -> None:
        self._root = root
        self._memory = memory
        self._tell = tell
        self._mark: Mark | None = None
        self._now: Deployment | None = None

    def look(self) -> Deployment | None:
        """What is deployed; None before the first look that found it. Costs next to nothing while nothing changes."""
        mark = marked(self._root)
        # A link that leads nowhere is one that an activation is about to make anew, or to be mended.
        if mark is not None and mark != self._mark and is_nixos(self._root):
            self._read(mark)
        if self._now is not None:
            self._memory.keep(self._now.running)
        return self._now

    def _read(self, mark: Mark) -> None:
        now = read(self._root, mark)
        if marked(self._root) != mark:
            # In the midst of an activation: the next look finds what has come of it.
            return
        first = self._now is None
        before = self._memory.recalled() if self._now is None else self._now.running
        self._mark, self._now = mark, now
        happening = activation(before, now)
        if happening or not first:
            self._tell(happening, now)
