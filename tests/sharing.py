"""How several processes share the tests: each file is one's, and the machines, which take long to boot, are all one's.

By xdist's own scheduler and not by its marks of groups, which it has lost with pytest 9.2: it appends them to names of
tests that are read no more, and then each process has its share of each file and its own copy of what that starts.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

MACHINES = "tests/machine/"


class FilesAndMachines(LoadFileScheduling):  # type: ignore[misc]  # it has no types
    """What stays together is a file, or all that boots machines."""

    def _split_scope(self, nodeid: str) -> str:
        return MACHINES if nodeid.startswith(MACHINES) else str(super()._split_scope(nodeid))
