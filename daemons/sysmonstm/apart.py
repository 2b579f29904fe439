"""Does a piece of work in a child process, so that the modules which it imports do not stay in this one."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable
from typing import NoReturn, TypeVar

T = TypeVar("T")


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
