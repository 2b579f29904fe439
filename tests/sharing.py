"""How several processes share the tests: each file is one's, and the machines, which take long to boot, are all one's.

By xdist's own scheduler and not by its marks of groups, which it has lost with pytest 9.2: it appends them to names of
tests that are read no more, and then each process has its share of each file and its own copy of what that starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

MACHINES = "tests/machine/"


class FilesAndMachines(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """What stays together is a file, or all that boots machines."""

    def _split_scope(self, nodeid: str) -> str:
        return MACHINES if nodeid.startswith(MACHINES) else str(super()._split_scope(nodeid))

    def remove_node(self, node: WorkerController) -> str | None:
        """Go on behind the test that a process has died of: the next process would die of it as well."""
        pending = [
            (work, name) for work in self.assigned_work[node].values() for name, done in work.items() if not done
        ]
        if not pending:
            super().remove_node(node)
            return None
        work, died_of = pending[0]
        work[died_of] = True
        super().remove_node(node)
        return str(died_of)
