"""The life of a daemon, from its settings to its end, and the signals by which it is steered."""

from __future__ import annotations

import asyncio
import faulthandler
import signal
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from sysmonstm import logs
from sysmonstm.command_line import Source
from sysmonstm.config import Settings, UserError, die
from sysmonstm.reload import Reloads, speak_by
from sysmonstm.service import Service, close_unasked

log = logs.logger(__name__)

S = TypeVar("S", bound=Settings)


def run(source: Source[S], main: Callable[[S, Service], Awaitable[None]]) -> None:
    """Run a daemon until SIGTERM or SIGINT cancels `main`; what else ends it rises.

    A UserError that reaches here is printed as one line, exit status 1. SIGHUP reads the settings anew.
    """
    speak_by(source.settings)
    # systemd ends a daemon that hangs by SIGABRT: where its threads were is then in the journal.
    faulthandler.enable()
    try:
        asyncio.run(_until_signalled(source, main))
    except UserError as error:
        die(str(error))
    except BaseExceptionGroup as group:
        # Loops live in TaskGroups, which wrap even the one error that was meant for the user.
        users, others = group.split(UserError)
        if others or not users:
            raise
        die(str(next(_leaves(users))))


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def _until_signalled(source: Source[S], main: Callable[[S, Service], Awaitable[None]]) -> None:
    service = Service()
    reloads = Reloads(source, service)
    service.reloads = reloads.now
    try:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(service.watchdog())
            reloading = tasks.create_task(reloads.heed(source.asked))
            working = tasks.create_task(_awaited(main(source.settings, service)))
            _heed_signals(service, source.asked, reloading, working)
            await asyncio.wait({working})
            watching.cancel()
            reloading.cancel()
    finally:
        close_unasked()
    if working.cancelled() and not service.is_stopping:
        raise asyncio.CancelledError
    log.info("daemon.stopped", "stopped as asked")


async def _awaited(work: Awaitable[None]) -> None:
    await work


def _heed_signals(
    service: Service, asked: asyncio.Event, reloading: asyncio.Task[Any], working: asyncio.Task[Any]
) -> None:
    def stop() -> None:
        if not service.is_stopping:
            # Before anything that takes time.
            service.stopping()
            reloading.cancel()
        working.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, asked.set)
