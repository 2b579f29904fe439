"""Reads the settings anew, refuses bad ones and keeps the old, and has the daemon apply good ones: what SIGHUP does."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections.abc import Sequence
from typing import Generic, NoReturn, TypeVar

from sysmonstm import logs
from sysmonstm.apart import ApartError
from sysmonstm.command_line import REREAD_SECONDS, Source
from sysmonstm.config import SECRET, Settings, UserError, fields, fixed
from sysmonstm.redaction import conceal
from sysmonstm.service import Service

log = logs.logger(__name__)

# A daemon that takes longer to apply settings than this hangs.
APPLY_SECONDS = 30.0
# What changes in every daemon, whatever it applies itself.
LOG_SETTINGS = frozenset({"log_level", "log_format"})

S = TypeVar("S", bound=Settings)


def changed(running: S, wanted: S) -> list[str]:
    """The names of the settings that differ."""
    return [field for field in fields(type(running)) if getattr(running, field) != getattr(wanted, field)]


def applicable(running: S, wanted: S, kept: frozenset[str]) -> S:
    """The wanted settings, but for those in `kept`, which stay as they are."""
    return dataclasses.replace(wanted, **{field: getattr(running, field) for field in kept})


def speak_by(settings: Settings) -> None:
    """Write log lines as these settings say, and none of their secrets."""
    conceal(getattr(settings, field) for field in fields(type(settings)) if field in SECRET)
    logs.setup(settings.log_level, settings.log_format)


class Reloads(Generic[S]):
    """One reload after the other, of the settings from `source`, for the daemon that `manager` speaks for."""

    def __init__(self, source: Source[S], manager: Service) -> None:
        self._source = source
        self._manager = manager
        self._running = source.settings
        self._one_at_a_time = asyncio.Lock()

    async def heed(self, asked: asyncio.Event) -> NoReturn:
        """Reload whenever it is `asked`, once the daemon is ready, for ever."""
        while True:
            # People ask seldom, and nothing else ends this wait.
            with self._manager.waits("reload", at_most=math.inf):
                await self._manager.is_ready.wait()
                await asked.wait()
            asked.clear()
            try:
                await self.now()
            except UserError:
                # It is logged, and in the status: whoever sent the signal hears no more.
                continue

    async def now(self) -> Sequence[str]:
        """The names of what has changed, mostly settings; UserError if the new configuration is refused."""
        async with self._one_at_a_time:
            self._manager.reloading()
            try:
                with self._manager.waits("reload", at_most=REREAD_SECONDS + APPLY_SECONDS):
                    return await self._reload()
            except UserError as error:
                log.warning("reload.refused", "the new configuration is refused; the old one stays", reason=str(error))
                self._manager.remark(f"the new configuration is refused: {error}")
                raise
            finally:
                self._manager.reloaded()

    async def _reload(self) -> Sequence[str]:
        try:
            wanted = await self._source.reload()
        except ApartError as error:
            raise UserError(f"the configuration could not be looked at: {error}") from error
        kind = type(wanted)
        # Where nobody applies anything, nothing but how the log is written can change.
        kept = fixed(kind) if self._manager.apply else frozenset(fields(kind)) - LOG_SETTINGS
        before, new = self._running, applicable(self._running, wanted, kept)
        speak_by(new)
        beyond: Sequence[str] = ()
        try:
            if self._manager.apply:
                beyond = await self._manager.apply(new) or ()
        except UserError:
            speak_by(before)
            raise
        self._running = new
        return self._tell([*changed(before, new), *beyond], changed(new, wanted))

    def _tell(self, names: list[str], waiting: list[str]) -> Sequence[str]:
        said = f"the configuration is read anew: {', '.join(names) or 'nothing'} changed"
        log.info("reload.done", said, changed=names)
        self._manager.remark("")
        if waiting:
            sentence = f"{', '.join(waiting)} changed, and takes effect with a restart"
            log.warning("reload.needs_restart", sentence, changed=waiting)
            self._manager.remark(sentence)
        return names
