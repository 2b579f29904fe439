"""For tests of the watchdog: a daemon that does something bad to itself at SIGUSR1, and what its watchdog hears."""

from __future__ import annotations

import sys
import textwrap
import time
from itertools import pairwise

from tests.units.played_systemd import PlayedSystemd

_CODE = """
import asyncio, signal, sys, time
from redis.asyncio.client import PubSub
from sysmonstm import bus
from sysmonstm.{daemon} import __main__ as main
{before}

async def forever(*_, **__):
    await asyncio.sleep(3600)

def wedge(*_):
{wedge}

signal.signal(signal.SIGUSR1, wedge)
sys.argv[0] = "sysmon-{daemon}"
main.main()
"""


def command(daemon: str, wedge: str, before: str = "") -> tuple[str, ...]:
    """What to run: `before` is done at the start, `wedge` at SIGUSR1."""
    code = _CODE.format(daemon=daemon, wedge=textwrap.indent(wedge, "    "), before=before)
    return (sys.executable, "-c", code)


def longest_silence(systemd: PlayedSystemd, seconds: float) -> float:
    """Listen for so long; the longest time, in seconds, for which the watchdog was not told."""
    began = time.monotonic()
    pings = [one.time for one in systemd.hear(seconds) if "WATCHDOG" in one.fields and one.time > began]
    return max(later - earlier for earlier, later in pairwise([began, *pings, time.monotonic()]))
