"""Does a piece of work in a child process, so that the modules which it imports do not stay in this one.

`apart` forks, which is quick, and safe while there are no threads. `afresh` starts the interpreter anew, for later.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn, TypeVar

T = TypeVar("T")

# By sys.path, which is as it is here however this interpreter was told of it; -I would leave some of that out.
_CHILD = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from sysmonstm.apart import answer_parent
answer_parent(*sys.argv[2:])
"""
# What speaks of the parent to its service manager.
_NOT_FOR_CHILDREN = ("NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_")


class ApartError(Exception):
    """The work could not be done, for want of a child process or of time, or by a defect that the log shows."""


def apart(work: Callable[[], T], expected: type[Exception]) -> T:
    """What `work` gives, or the `expected` error that it raises; both must be fit to be pickled.

    Any other error is printed by the child with its traceback, and is a RuntimeError here. Call it before there are
    threads: it forks.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _answer(work, expected, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    if os.waitpid(child, 0)[1] != 0:
        raise RuntimeError("the child process has failed; its traceback is above")
    result: T | Exception = pickle.loads(answer)  # noqa: S301 - written by the lines below
    if isinstance(result, expected):
        raise result
    return result  # type: ignore[return-value]  # what is no error is what `work` gave


def _answer(work: Callable[[], T], expected: type[Exception], writer: int) -> NoReturn:
    status = 1
    try:
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(_outcome(work, expected), pipe)
        status = 0
    # A forked child must end here whatever happens, or it would go on as a second daemon. The traceback is printed as
    # the interpreter would print it, and the parent is told by the exit status.
    except BaseException:  # noqa: BLE001
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _outcome(work: Callable[[], T], expected: type[Exception]) -> T | Exception:
    try:
        return work()
    except expected as error:
        return error


async def afresh(function: Callable[..., T], *arguments: str, expected: type[Exception], seconds: float) -> T:
    """What a module's `function` gives in a process that has just started, or the `expected` error that it raises.

    Both must be fit to be pickled. ApartError if it takes longer than `seconds`, or fails otherwise.
    """
    where = (function.__module__, function.__qualname__, expected.__module__, expected.__qualname__)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_FOR_CHILDREN)}
    command = [sys.executable, "-I", "-c", _CHILD, json.dumps(sys.path), *where, *arguments]
    try:
        child = await asyncio.create_subprocess_exec(*command, stdin=DEVNULL, stdout=PIPE, env=environ)
    except (OSError, RuntimeError) as error:
        # RuntimeError: there may be no more threads, and one would wait for the child.
        raise ApartError(f"no process can be started: {error}") from error
    answer = await _answer_of(child, seconds)
    if child.returncode != 0:
        raise ApartError("it ended by a defect; its traceback is in the log")
    result: T | Exception = pickle.loads(answer)  # noqa: S301 - written by answer_parent
    if isinstance(result, expected):
        raise result
    return result  # type: ignore[return-value]  # what is no error is what the function gave


async def _answer_of(child: Process, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            answer, _ = await child.communicate()
    except TimeoutError:
        raise ApartError(f"it has taken longer than {seconds:g} s") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    return answer


def answer_parent(module: str, function: str, error_module: str, error: str, *arguments: str) -> None:
    """In the child of `afresh`: do the work, and write what came of it to standard output."""
    expected: type[Exception] = getattr(import_module(error_module), error)
    with os.fdopen(os.dup(1), "wb") as pipe:
        # What the work prints is for the log.
        os.dup2(2, 1)
        pickle.dump(_outcome(lambda: getattr(import_module(module), function)(*arguments), expected), pipe)
