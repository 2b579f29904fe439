from __future__ import annotations

import asyncio
import os
import socket
import sys
import time

import pytest

from sysmonstm.apart import ApartError, afresh
from sysmonstm.config import UserError

PATIENCE_SECONDS = 60.0


def seen(*arguments: str) -> dict[str, object]:
    """What a fresh process is like."""
    print("this is for the log")
    return {
        "arguments": arguments,
        "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd")),  # noqa: PTH208 - names only
        "environ": sorted(name for name in os.environ if name.startswith(("LISTEN", "NOTIFY", "WATCHDOG"))),
        "pid": os.getpid(),
        "path": sys.path,
    }


def refuse(sentence: str) -> None:
    raise UserError(sentence)


def fail() -> None:
    raise ZeroDivisionError("a defect")


def hang() -> None:
    time.sleep(3600)


async def test_it_is_another_process_that_inherits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LISTEN_FDS", "NOTIFY_SOCKET", "WATCHDOG_USEC"):
        monkeypatch.setenv(name, "1")
    with socket.create_server(("127.0.0.1", 0)):
        found = await afresh(seen, "a", "b c", expected=UserError, seconds=PATIENCE_SECONDS)
    assert found["arguments"] == ("a", "b c")
    assert found["pid"] != os.getpid()
    assert found["environ"] == []
    assert found["path"] == sys.path
    # 0, 1, 2, the pipe for the answer, and the one that lists them.
    assert found["descriptors"] == [0, 1, 2, 3, 4]


async def test_an_expected_error_rises_here() -> None:
    with pytest.raises(UserError, match=r"^it is wrong$"):
        await afresh(refuse, "it is wrong", expected=UserError, seconds=PATIENCE_SECONDS)


async def test_a_defect_is_shown_and_said(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ApartError, match="ended by a defect"):
        await afresh(fail, expected=UserError, seconds=PATIENCE_SECONDS)
    assert "ZeroDivisionError: a defect" in capfd.readouterr().err


async def test_one_that_hangs_is_ended() -> None:
    with pytest.raises(ApartError, match="longer than"):
        await afresh(hang, expected=UserError, seconds=2.0)
    assert children() == []


async def test_one_that_is_no_longer_wanted_is_ended() -> None:
    task = asyncio.create_task(afresh(hang, expected=UserError, seconds=PATIENCE_SECONDS))
    while not children():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert children() == []


def children() -> list[str]:
    """Processes of ours that run the module's code."""
    return [one for one in _children() if "answer_parent" in one]


def _children() -> list[str]:
    import psutil

    found = []
    for child in psutil.Process().children():
        try:
            found.append(" ".join(child.cmdline()))
        except psutil.Error:
            continue
    return found


async def test_where_no_process_can_be_started_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ApartError, match="no process can be started"):
        await afresh(seen, expected=UserError, seconds=PATIENCE_SECONDS)
