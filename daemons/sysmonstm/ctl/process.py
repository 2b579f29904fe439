"""Server processes: run for as long as a `with` block, from when they answer; those of a killed run are stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sysmonstm import logs
from sysmonstm.config import UserError
from sysmonstm.ctl.account import OURSELVES, Account

READY_SECONDS = 30.0
STOP_SECONDS = 1.0
# What a server gets that has not stopped by then: for PostgreSQL the "immediate shutdown", which drops its children.
FORCE = signal.SIGQUIT
FORCE_SECONDS = 0.25
POLL_SECONDS = 0.02

log = logs.logger(__name__)

Command = Sequence[str | Path]
Pause = Callable[[float], None]
"""Waits for a number of seconds. It may raise: then what was being started is stopped."""


@dataclass(frozen=True, slots=True)
class Program:
    """How a server is run: `log` takes its output, `stop` is the signal that ends it in good order.

    It is given `stop_seconds` for that; what is committed outlives even SIGKILL.
    """

    name: str
    command: Command
    log: Path
    cwd: Path
    account: Account = OURSELVES
    stop: signal.Signals = signal.SIGTERM
    stop_seconds: float = STOP_SECONDS


@contextmanager
def running(program: Program, answers: Callable[[int], bool], pause: Pause) -> Iterator[subprocess.Popen[bytes]]:
    """Run it in a session of its own from when it answers; `answers` is given its pid. UserError if it never does."""
    start = program.log.stat().st_size
    process = _start(program)
    try:
        _wait_until_ready(program, process, lambda: answers(process.pid), start, pause)
        yield process
    finally:
        _stop(process, program.stop, program.stop_seconds)


def run_once(program: Program, pause: Pause, text: bytes = b"") -> None:
    """Run it to its end, with `text` as its input; UserError if it fails."""
    start = program.log.stat().st_size
    with tempfile.TemporaryFile() as given:
        given.write(text)
        given.seek(0)
        process = _start(program, given.fileno())
    try:
        while process.poll() is None:
            pause(POLL_SECONDS)
    finally:
        _stop(process, signal.SIGTERM, FORCE_SECONDS)
    if process.returncode:
        raise UserError(f"{program.name} failed: {_last_words(program.log, start)}; all of it is in {program.log}")


def stop_left_over(pid_file: Path, names: Sequence[str], cwd: Path, stop: signal.Signals) -> None:
    """Stop the server in `pid_file` if it still runs, by one of these names and in this directory."""
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return
    if not _is_server(pid, names, cwd):
        return
    log.warning("server.left_over", f"stopping {pid}, a server that a killed run left behind", pid=pid)
    os.kill(pid, stop)
    deadline = time.monotonic() + STOP_SECONDS
    while _is_server(pid, names, cwd):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            deadline += STOP_SECONDS
        time.sleep(POLL_SECONDS)


def _start(program: Program, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
    with program.log.open("ab") as output:
        return subprocess.Popen(
            program.command,
            stdin=stdin,
            stdout=output,
            stderr=output,
            cwd=program.cwd,
            env=_environment(),
            user=program.account.user,
            group=program.account.group,
            extra_groups=program.account.extra_groups,
            # Ctrl-C in the terminal is ours to handle: it must not reach a server before its clients have gone.
            start_new_session=True,
        )


def _wait_until_ready(
    program: Program, process: subprocess.Popen[bytes], answers: Callable[[], bool], start: int, pause: Pause
) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not answers():
        if process.poll() is not None:
            said = _last_words(program.log, start)
            raise UserError(f"{program.name} did not start: {said}; all of it is in {program.log}")
        if time.monotonic() > deadline:
            raise UserError(f"{program.name} was not ready after {READY_SECONDS:.0f} s; see {program.log}")
        pause(POLL_SECONDS)


def _stop(process: subprocess.Popen[bytes], stop: signal.Signals, stop_seconds: float) -> None:
    for number, seconds in ((stop, stop_seconds), (FORCE, FORCE_SECONDS)):
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        return
    process.kill()
    process.wait()


def _environment() -> dict[str, str]:
    """Ours, without what would lead a server elsewhere or let it talk to our service manager."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "NOTIFY_", "LISTEN_"))}
    return ours | {"LC_ALL": "C"}


def _is_server(pid: int, names: Sequence[str], cwd: Path) -> bool:
    """Whether the process is still that server: its number may have gone to another since."""
    process = Path("/proc") / str(pid)
    try:
        return (process / "comm").read_text().strip() in names and (process / "cwd").readlink() == cwd
    except OSError:
        return False


def said_since(path: Path, start: int) -> list[str]:
    """The lines of a log since byte `start` that are not empty; at least one."""
    with path.open("rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()] or ["it said nothing"]


def _last_words(path: Path, start: int) -> str:
    """What a server last called an error since byte `start` of its log, else whatever it said last."""
    lines = said_since(path, start)
    errors = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "error:", " # "))]
    return (errors or lines)[-1]
