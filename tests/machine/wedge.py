"""Put beside the daemons of a machine, it makes one loop of each wait for ever as soon as a file says so.

It is loaded when their Python starts, by a .pth file, and knows the loop by the name of its function.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

DIRECTORY = "/run/sysmon-test-wedge"
SAYS = "wedged as the test wants it"
LOOPS = {
    "sysmon-aggregatord": "Report.run",
    "sysmon-gatewayd": "Hub.tick",
    "sysmon-alertd": "_tick",
    "sysmon-collectord": "collect",
}


def _daemon() -> str:
    # The arguments as the process got them: argv is not there yet.
    return next((name for one in sys.orig_argv if (name := os.path.basename(one)) in LOOPS), "")  # noqa: PTH119


def _is_in(loop: str) -> bool:
    frame: Any = sys._getframe(2)
    while frame is not None and frame.f_code.co_qualname != loop:
        frame = frame.f_back
    return frame is not None


def _first_wedged(waiting: Callable[..., Awaitable[Any]], daemon: str) -> Callable[..., Awaitable[Any]]:
    """The same function, but it never comes back in that daemon's loop once the file is there."""

    async def waits(*arguments: Any, **options: Any) -> Any:
        if os.path.exists(f"{DIRECTORY}/{daemon}") and _is_in(LOOPS[daemon]):  # noqa: PTH110
            print(SAYS, file=sys.stderr, flush=True)
            await asyncio.get_running_loop().create_future()
        return await waiting(*arguments, **options)

    return waits


def wedge() -> None:
    """What loops wait by, from now on."""
    daemon = _daemon()
    if daemon:
        for owner, name in ((asyncio, "sleep"), (asyncio.Timeout, "__aenter__")):
            setattr(owner, name, _first_wedged(getattr(owner, name), daemon))


wedge()
