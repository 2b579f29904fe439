"""sysmon-aggregatord with a loop that stops for good at SIGUSR1: `python -m tests.units.wedged_aggregatord LOOP …`."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any

from sysmonstm.aggregatord import __main__
from sysmonstm.aggregatord.history.writer import HistoryWriter
from sysmonstm.aggregatord.live import LivePublisher
from sysmonstm.aggregatord.report import Report
from sysmonstm.aggregatord.rollup.rollup import Rollup

LOOPS: dict[str, tuple[Any, str]] = {
    "live": (LivePublisher, "run"),
    "history": (HistoryWriter, "run"),
    "rollup": (Rollup, "run"),
    "report": (Report, "run"),
    "grpc": (__main__, "look_whether_served"),
}
# Not one loop but all of them: something blocks the event loop.
EVENT_LOOP = "event loop"


def until_told(run: Callable[..., Coroutine[Any, Any, None]], wedge: Callable[[], None]) -> Callable[..., Any]:
    """The same, but that it stops at SIGUSR1 and awaits what never comes."""

    async def wedged(*arguments: object) -> None:
        told = False
        task = asyncio.current_task()
        assert task

        def tell() -> None:
            nonlocal told
            told = True
            task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, tell)
        try:
            await run(*arguments)
        except asyncio.CancelledError:
            if not told:
                raise
            task.uncancel()
            wedge()
            await asyncio.Event().wait()

    return wedged


def main() -> None:
    name = sys.argv.pop(1)
    owner, method = LOOPS["report" if name == EVENT_LOOP else name]
    wedge = (lambda: time.sleep(3600)) if name == EVENT_LOOP else (lambda: None)
    setattr(owner, method, until_told(getattr(owner, method), wedge))
    __main__.main()


if __name__ == "__main__":
    main()
