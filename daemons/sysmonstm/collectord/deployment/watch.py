"""Looks with each sample whether something was deployed, tells of it once, and remembers it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from sysmonstm.collectord.deployment.memory import Memory
from sysmonstm.collectord.deployment.news import activation
from sysmonstm.collectord.deployment.reading import Mark, is_nixos, marked, settled
from sysmonstm.collectord.deployment.words import Deployment
from sysmonstm.collectord.happening import Happening

Tell = Callable[[Happening | None, Deployment], None]


class DeploymentWatch:
    """For one thread, a probe's. `tell` is called in it, when what is deployed has changed since the look before.

    So it is at the first look, whether or not another system ran before this collector: what is told of the machine by
    then was perhaps read in the midst of an activation.
    """

    def __init__(self, root: Path, memory: Memory, tell: Tell) -> None:
        self._root = root
        self._memory = memory
        self._tell = tell
        self._mark: Mark | None = None
        self._now: Deployment | None = None

    def look(self) -> Deployment | None:
        """What is deployed; None before the first look that found it. Costs next to nothing while nothing changes."""
        now_ns = time.time_ns()
        mark = marked(self._root)
        # A link that leads nowhere is one that an activation is about to make anew, or to be mended.
        if mark is not None and mark != self._mark and is_nixos(self._root):
            self._heed(mark, now_ns)
        if self._now is not None:
            self._memory.keep(self._now.running)
        return self._now

    def _heed(self, mark: Mark, now_ns: int) -> None:
        now = settled(self._root, mark, now_ns)
        if now is None:
            # The next look finds what has come of it.
            return
        before = self._memory.recalled() if self._now is None else self._now.running
        self._mark, self._now = mark, now
        self._tell(activation(before, now), now)
