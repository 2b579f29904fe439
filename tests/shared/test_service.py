"""Plays systemd: starts real processes with sockets and a NOTIFY_SOCKET, and listens to what they say."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from sysmonstm.notifications import Notifier
from sysmonstm.service import Service

PATIENCE_SECONDS = 30.0

# Becomes the process under test with the descriptors and LISTEN_PID that systemd would give it.
_EXEC = """
import fcntl, json, os, sys
given, above = json.loads(sys.argv[1]), 3 + len(json.loads(sys.argv[1]))
copies = [fcntl.fcntl(fd, fcntl.F_DUPFD, above) for fd in given]
for number, copy in enumerate(copies, start=3):
    os.dup2(copy, number)
os.closerange(above, max([above, *given, *copies]) + 1)
os.environ.setdefault("LISTEN_PID", str(os.getpid()))
os.execv(sys.executable, [sys.executable, "-c", sys.argv[2]])
"""

_DAEMON = """
import asyncio
from sysmonstm import daemon
from sysmonstm.command_line import Source
from sysmonstm.config import Settings, UserError

async def main(settings, manager):
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(work(manager))

"""


class Systemd:
    """The manager's end of NOTIFY_SOCKET, and the process that it started."""

    def __init__(self, inbox: socket.socket, process: subprocess.Popen[str]) -> None:
        self._inbox = inbox
        self.process = process

    def hears(self) -> str:
        """The next message."""
        return self._inbox.recv(4096).decode()

    def hears_until(self, wanted: str) -> list[str]:
        """Every message up to and with the one that holds `wanted`."""
        messages = [self.hears()]
        while wanted not in messages[-1]:
            messages.append(self.hears())
        return messages

    def hears_nothing_of(self, unwanted: str, seconds: float) -> bool:
        """Whether it is silent about this for so long."""
        deadline = time.monotonic() + seconds
        while (rest := deadline - time.monotonic()) > 0:
            self._inbox.settimeout(rest)
            try:
                if unwanted in self.hears():
                    return False
            except TimeoutError:
                break
        self._inbox.settimeout(PATIENCE_SECONDS)
        return True

    def ends(self) -> tuple[int, str, str]:
        """Exit status, standard output and standard error."""
        output, errors = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, output, errors


@contextmanager
def started(
    directory: Path, code: str, sockets: tuple[socket.socket, ...] = (), environ: Mapping[str, str] | None = None
) -> Iterator[Systemd]:
    path = directory / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(str(path))
        inbox.settimeout(PATIENCE_SECONDS)
        numbers = [sock.fileno() for sock in sockets]
        process = subprocess.Popen(
            [sys.executable, "-c", _EXEC, json.dumps(numbers), textwrap.dedent(code)],
            env=os.environ | {"NOTIFY_SOCKET": str(path)} | dict(environ or {}),
            pass_fds=numbers,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield Systemd(inbox, process)
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def listeners() -> Iterator[tuple[socket.socket, ...]]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        yield one, two


_SOCKETS = """
import json, os, subprocess, sys
from sysmonstm.handed import inherited_sockets
found = inherited_sockets(os.environ)
grandchild = subprocess.run(
    [sys.executable, "-c", "import os; print(os.listdir('/proc/self/fd'), [n for n in os.environ if 'LISTEN' in n])"],
    close_fds=False, capture_output=True, text=True,
).stdout
print(json.dumps({
    "found": {name: [sock.getsockname()[1] for sock in socks] for name, socks in found.items()},
    "blocking": [sock.getblocking() for socks in found.values() for sock in socks],
    "grandchild": grandchild.strip(),
}))
"""


@pytest.mark.parametrize(
    ("names", "grouped"),
    [
        ("sysmon-aggregatord.socket:other", {"sysmon-aggregatord.socket": [0], "other": [1]}),
        ("same:same", {"same": [0, 1]}),
        ("one", {"one": [0], "unknown": [1]}),
        (None, {"unknown": [0, 1]}),
    ],
)
def test_inherited_sockets_are_found_by_their_names(
    tmp_path: Path, listeners: tuple[socket.socket, ...], names: str | None, grouped: dict[str, list[int]]
) -> None:
    ports = [sock.getsockname()[1] for sock in listeners]
    environ = {"LISTEN_FDS": "2"} | ({"LISTEN_FDNAMES": names} if names else {})
    with started(tmp_path, _SOCKETS, listeners, environ) as systemd:
        status, output, errors = systemd.ends()
    assert (status, errors) == (0, "")
    said = json.loads(output)
    assert said["found"] == {name: [ports[place] for place in places] for name, places in grouped.items()}
    assert said["blocking"] == [False, False]


def test_a_grandchild_inherits_neither_the_sockets_nor_the_variables(
    tmp_path: Path, listeners: tuple[socket.socket, ...]
) -> None:
    environ = {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}
    with started(tmp_path, _SOCKETS, listeners, environ) as systemd:
        _, output, _ = systemd.ends()
    # 0, 1, 2 and the one that lists them, which has the first free number.
    assert json.loads(output)["grandchild"] == "['0', '1', '2', '3'] []"


def test_sockets_that_were_meant_for_another_process_are_left_alone(
    tmp_path: Path, listeners: tuple[socket.socket, ...]
) -> None:
    with started(tmp_path, _SOCKETS, listeners, {"LISTEN_FDS": "2", "LISTEN_PID": "1"}) as systemd:
        said = json.loads(systemd.ends()[1])
    assert said["found"] == {}
    assert said["grandchild"].endswith("[]")


_WORKING = """
async def work(manager):
    manager.ready("serving")
    manager.status("7 machines")
    while True:
        manager.beat("work", 60.0)
        await asyncio.sleep(0.01)
daemon.run(Source(Settings(log_format="text")), main)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_says_ready_status_watchdog_and_stopping_and_leaves_with_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    with started(tmp_path, _DAEMON + _WORKING, environ={"WATCHDOG_USEC": "150000"}) as systemd:
        assert "READY=1\nSTATUS=serving" in systemd.hears_until("READY=1")
        systemd.hears_until("STATUS=7 machines")
        systemd.hears_until("WATCHDOG=1")
        systemd.hears_until("WATCHDOG=1")
        systemd.process.send_signal(number)
        systemd.hears_until("STOPPING=1")
        status, _, errors = systemd.ends()
    assert status == 0
    assert errors.splitlines()[-1].endswith("daemon.stopped  stopped as asked")


_STALLING = """
async def work(manager):
    manager.beat("work", 0.0)
    manager.ready("stalled")
    await asyncio.sleep(3600)
daemon.run(Source(Settings(log_format="text")), main)
"""


def test_the_watchdog_is_not_told_while_a_loop_is_late(tmp_path: Path) -> None:
    with started(tmp_path, _DAEMON + _STALLING, environ={"WATCHDOG_USEC": "60000"}) as systemd:
        systemd.hears_until("READY=1")
        assert systemd.hears_nothing_of("WATCHDOG=1", seconds=0.5)
        systemd.process.terminate()
        _, _, errors = systemd.ends()
    assert "watchdog.late" in errors
    assert "loops=['work']" in errors


def test_a_loop_is_late_only_once_its_promise_is_over() -> None:
    service = Service()
    before = time.monotonic()
    service.beat("work", 5.0)
    after = time.monotonic()
    assert service.late(before + 5.0) == []
    assert service.late(after + 5.1) == ["work"]
    service.beat("work", 5.0)
    assert service.late(time.monotonic()) == []


def test_a_loop_that_waits_for_the_outside_is_excused_for_as_long_as_it_said(tmp_path: Path) -> None:
    waiting = """
async def work(manager):
    manager.ready("waiting")
    manager.beat("work", 0.3)
    with manager.waits("work", at_most=1.5):
        await asyncio.sleep(3600)
daemon.run(Source(Settings(log_format="text")), main)
"""
    with started(tmp_path, _DAEMON + waiting, environ={"WATCHDOG_USEC": "150000"}) as systemd:
        systemd.hears_until("READY=1")
        began = time.monotonic()
        systemd.hears_until("WATCHDOG=1")
        while not systemd.hears_nothing_of("WATCHDOG=1", seconds=0.5):
            continue
        # It was told until the excuse was over, and not when the promise was.
        assert time.monotonic() - began > 1.5
        systemd.process.terminate()
        _, _, errors = systemd.ends()
    assert "where={'work': '<string>:" in errors


def test_nothing_that_a_status_quotes_becomes_a_notification_of_its_own(tmp_path: Path) -> None:
    hostile = """
async def work(manager):
    manager.ready("web1\\nMAINPID=1")
    manager.status("wéb1\\nSTOPPING=1" + "x" * 5000)
    await asyncio.sleep(3600)
daemon.run(Source(Settings()), main)
"""
    with started(tmp_path, _DAEMON + hostile) as systemd:
        assert systemd.hears_until("READY=1")[-1].splitlines() == ["READY=1", "STATUS=web1\\nMAINPID=1"]
        (line,) = systemd.hears_until("STOPPING")[-1].splitlines()
        assert line.startswith("STATUS=w\\xe9b1\\nSTOPPING=1x")
        assert len(line) < 1100


_SLOW_TO_STOP = """
async def work(manager):
    manager.ready("serving")
    manager.beat("work", 0.0)
    try:
        await asyncio.sleep(3600)
    finally:
        await asyncio.sleep(0.7)
daemon.run(Source(Settings()), main)
"""


def test_it_says_that_it_stops_before_it_does_and_the_watchdog_is_told_meanwhile(tmp_path: Path) -> None:
    with started(tmp_path, _DAEMON + _SLOW_TO_STOP, environ={"WATCHDOG_USEC": "300000"}) as systemd:
        systemd.hears_until("READY=1")
        assert systemd.hears_nothing_of("WATCHDOG=1", seconds=0.5)
        systemd.process.terminate()
        assert systemd.hears_until("STOPPING=1")[-1].splitlines()[0] == "STOPPING=1"
        systemd.hears_until("WATCHDOG=1")
        assert systemd.ends()[0] == 0


_RELOADED = """
async def work(manager):
    async def apply(settings):
        if settings.log_level == "WARNING":
            raise UserError("it will not do")
        manager.status("now " + settings.log_level)
        return ["more"]
    manager.on_reload(apply)
    manager.ready("serving")
    while True:
        try:
            manager.status(f"asked, {await manager.reload()} changed")
        except UserError as error:
            manager.status(f"asked in vain: {error}")
        await asyncio.sleep(3600)
daemon.run(Source(Settings(), pathlib.Path(FILE)), main)
"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('log_level = "ERROR"', "STATUS=asked, ['log_level', 'more'] changed"),
        ('log_level = "WARNING"', "asked in vain: it will not do; the new configuration is refused: it will not do"),
        ('log_level = "LOUD"', "asked in vain: log_level in "),
    ],
)
def test_a_daemon_may_ask_for_a_reload_itself_and_hears_what_came_of_it(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "file.toml").write_text(text)
    code = "import pathlib\n" + _DAEMON + _RELOADED.replace("FILE", repr(str(tmp_path / "file.toml")))
    with started(tmp_path, code) as systemd:
        messages = systemd.hears_until("asked")
    assert said in messages[-1]
    names = [message.partition("=")[0] for message in messages if not message.startswith(("WATCHDOG", "STATUS"))]
    assert names == ["READY", "RELOADING", "READY"]


_SPEAKING = """
from sysmonstm import logs
async def work(manager):
    async def apply(settings):
        logs.logger("x").debug("x.applying", "as the new settings say")
        raise UserError("it will not do")
    manager.on_reload(apply)
    manager.ready("serving")
    with contextlib.suppress(UserError):
        await manager.reload()
    logs.logger("x").debug("x.after", "as the old settings say")
    raise asyncio.CancelledError
daemon.run(Source(Settings(), pathlib.Path(FILE)), main)
"""


def test_after_a_refusal_it_writes_its_log_as_before(tmp_path: Path) -> None:
    (tmp_path / "file.toml").write_text('log_level = "DEBUG"')
    code = "import contextlib, pathlib\n" + _DAEMON + _SPEAKING.replace("FILE", repr(str(tmp_path / "file.toml")))
    with started(tmp_path, code) as systemd:
        errors = systemd.ends()[2]
    assert ("x.applying" in errors, "x.after" in errors) == (True, False)


def test_a_manager_that_does_not_listen_is_logged_once_and_holds_nobody_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    notifier = Notifier()
    for _ in range(3):
        notifier.tell("WATCHDOG=1")
    assert [record.message for record in caplog.records] == ["the service manager does not take what it is told"]
    # One that is there and never reads.
    path = tmp_path / "stuck"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as inbox:
        inbox.bind(str(path))
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        stuck = Notifier()
        for _ in range(3000):
            stuck.tell("STATUS=" + "x" * 500)
            if len(caplog.records) > 1:
                break
    assert len(caplog.records) == 2


_FAILING = """
async def work(manager):
    async with asyncio.TaskGroup() as inner:
        inner.create_task(fail())
async def fail():
    raise UserError("X_LISTEN: it is\\ntaken; set another")
daemon.run(Source(Settings()), main)
"""


def test_a_user_error_deep_in_task_groups_is_one_line_and_exit_status_1(tmp_path: Path) -> None:
    with started(tmp_path, _DAEMON + _FAILING) as systemd:
        assert systemd.ends() == (1, "", "X_LISTEN: it is\\ntaken; set another\n")


def test_a_bug_is_not_hidden_behind_a_user_error(tmp_path: Path) -> None:
    code = _FAILING.replace("inner.create_task(fail())", "inner.create_task(fail()); raise KeyError('bug')")
    with started(tmp_path, _DAEMON + code) as systemd:
        status, _, errors = systemd.ends()
    assert status == 1
    assert "Traceback" in errors
    assert "KeyError" in errors


def test_everything_runs_without_a_service_manager(tmp_path: Path) -> None:
    with started(tmp_path, "import os; os.environ.pop('NOTIFY_SOCKET')\n" + _DAEMON + _WORKING) as systemd:
        assert systemd.hears_nothing_of("READY", seconds=1.0)
        assert systemd.process.poll() is None
        systemd.process.terminate()
        assert systemd.ends()[0] in {0, -signal.SIGTERM}
