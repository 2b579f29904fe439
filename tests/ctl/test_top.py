"""`sysmonctl machines` and `sysmonctl top`, against a small gateway of the same interface."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from sysmonstm.ctl.api import SHOWN, Machine
from sysmonstm.ctl.top import drawn

HOSTILE = "web\x1b[2J\x1b]0;owned\x07\n1"


def machine(name: str, **changes: object) -> dict[str, object]:
    values: dict[str, object] = {
        "cpu.percent": {"": 12.34},
        "memory.percent": {"": None},
        "filesystem.percent": {"/": 40.1, "/data": 91.0, "/broken": None},
        "system.load1": {"": 0.5},
        "system.uptime": {"": 90061.0},
    }
    return {"machine": name, "state": "up", "time": 1.0, "received": time.time() - 30, "values": values} | changes


@dataclass
class Gateway:
    """What the fake answers, and how it is reached."""

    url: str
    answer: bytes
    status: int = 200


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = urlsplit(self.path)
            expected = asked.path == "/api/machines" and parse_qs(asked.query) == {"metrics": [",".join(SHOWN)]}
            self.send_response(fake.status if expected else 400)
            self.end_headers()
            self.wfile.write(fake.answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake = Gateway(f"http://127.0.0.1:{server.server_port}", json.dumps({"machines": [machine("web1")]}).encode())
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield fake
        server.shutdown()
        thread.join()


@pytest.fixture
def dead_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"


def sysmonctl(*arguments: str, url: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sysmonstm.ctl", *arguments]
    return subprocess.run(command, env=os.environ | {"SYSMON_URL": url}, capture_output=True, text=True, timeout=30)


def test_the_table_shows_what_the_page_shows(gateway: Gateway) -> None:
    done = sysmonctl("machines", url=gateway.url)
    assert done.returncode == 0, done.stderr
    heading, row = done.stdout.splitlines()
    assert " ".join(heading.split()) == "MACHINE STATE CPU % MEM % DISK % FULLEST LOAD UPTIME LAST SEEN TAGS"
    assert " ".join(row.split()[:-2]) == "web1 up 12.3 – 91.0 /data 0.50 1d 1h"
    assert row.split()[-2:] in (["30s", "ago"], ["31s", "ago"], ["32s", "ago"])


def test_the_table_shows_tags_last(gateway: Gateway) -> None:
    tagged = machine("web1") | {"tags": ["web", "rack:4"]}
    gateway.answer = json.dumps({"machines": [tagged]}).encode()
    assert sysmonctl("machines", url=gateway.url).stdout.splitlines()[1].endswith(" ago  web rack:4")


def test_a_machine_that_has_sent_nothing_yet_is_shown_with_dashes(gateway: Gateway) -> None:
    waiting = machine("new", state="waiting", time=None, received=None, values={})
    gateway.answer = json.dumps({"machines": [waiting]}).encode()
    done = sysmonctl("machines", url=gateway.url)
    assert done.stdout.splitlines()[1].split() == ["new", "waiting", "–", "–", "–", "–", "–", "–"]


@pytest.mark.parametrize("arguments", [["machines"], ["machines", "--json"], ["top"]])
def test_what_a_machine_calls_itself_cannot_reach_the_terminal(arguments: list[str], gateway: Gateway) -> None:
    hostile = machine(HOSTILE, state="\x1b[31mup", values={"filesystem.percent": {"/\x1b[H\u202e": 5.0}})
    gateway.answer = json.dumps({"machines": [hostile | {"tags": [HOSTILE]}]}).encode()
    done = sysmonctl(*arguments, url=gateway.url)
    assert done.returncode == 0, done.stderr
    assert all(line.isprintable() for line in done.stdout.splitlines())
    assert "owned" in done.stdout


def test_json_is_the_interfaces_own_answer(gateway: Gateway) -> None:
    done = sysmonctl("machines", "--json", url=gateway.url)
    assert json.loads(done.stdout) == json.loads(gateway.answer)


@pytest.mark.parametrize("command", ["machines", "top"])
def test_a_gateway_that_is_away_is_one_line_with_a_hint(command: str, dead_url: str) -> None:
    done = sysmonctl(command, url=dead_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"no gateway at {dead_url} (Connection refused); start one with `sysmonctl up`" in done.stderr


@pytest.mark.parametrize(
    "answer",
    [
        b"<html>",
        b"[]",
        b'{"machines": [1]}',
        b'{"machines": [{"machine": "a", "state": "up", "values": []}]}',
        b'{"machines": [{"machine": "a", "state": "up", "tags": 1}]}',
        b"\xff",
    ],
)
def test_something_else_at_the_address_is_one_line(answer: bytes, gateway: Gateway) -> None:
    gateway.answer = answer
    done = sysmonctl("machines", url=gateway.url)
    assert done.returncode == 1
    assert (
        done.stderr == f"sysmonctl: what answers at {gateway.url} is no gateway of sysmonstm; name another with --url\n"
    )


def test_a_gateway_in_trouble_is_one_line(gateway: Gateway) -> None:
    gateway.status = 503
    done = sysmonctl("machines", url=gateway.url)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "answers 503" in done.stderr


@pytest.mark.parametrize("url", ["localhost:8000", "file:///etc/passwd", "http://[oops"])
def test_what_is_no_web_address_is_one_line(url: str) -> None:
    done = sysmonctl("machines", url=url)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_no_line_is_wider_than_the_terminal_and_hidden_machines_are_counted() -> None:
    fleet = [Machine(f"machine-{number}", "up") for number in range(100)]
    screen = drawn(fleet, "", "http://hub", 0.0, columns=40, lines=24)
    lines = screen.replace("\x1b[H", "").replace("\x1b[K", "").replace("\x1b[J", "").split("\r\n")
    plain = [line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in lines]
    assert len(plain) == 23
    assert max(map(len, plain)) <= 40
    shown = sum(line.startswith("machine-") for line in plain)
    assert plain[-1].startswith(f"… {100 - shown} more")


def test_what_was_known_stays_on_the_screen_while_the_gateway_is_away() -> None:
    screen = drawn([Machine("web1", "up")], "disconnected, retrying: \x1b[2J", "http://hub", 0.0, 80, 24)
    assert "disconnected, retrying" in screen
    assert "web1" in screen
    assert "\x1b[2J" not in screen


class Terminal:
    """`sysmonctl top` in a terminal of its own."""

    def __init__(self, url: str) -> None:
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "sysmonstm.ctl", "top"],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env=os.environ | {"SYSMON_URL": url, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
            start_new_session=True,
        )
        self.seen = ""

    def read_until(self, text: str) -> None:
        deadline = time.monotonic() + 20
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} is not in {self.seen!r}"
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536).decode(errors="replace")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(gateway: Gateway) -> Iterator[Terminal]:
    opened = Terminal(gateway.url)
    yield opened
    opened.close()


@pytest.mark.parametrize("way", ["q", signal.SIGINT, signal.SIGTERM])
def test_however_top_ends_the_terminal_is_as_before(way: str | signal.Signals, terminal: Terminal) -> None:
    terminal.read_until("web1")
    assert "\x1b[?25l" in terminal.seen
    assert termios.tcgetattr(terminal.slave)[3] & termios.ICANON == 0
    if isinstance(way, str):
        os.write(terminal.master, way.encode())
    else:
        terminal.process.send_signal(way)
    terminal.read_until("\x1b[?25h\x1b[?1049l")
    assert terminal.process.wait(10) == (143 if way == signal.SIGTERM else 0)
    assert termios.tcgetattr(terminal.slave) == terminal.before
    assert "Traceback" not in terminal.seen


def test_top_says_that_it_is_disconnected_and_goes_on(gateway: Gateway, terminal: Terminal) -> None:
    terminal.read_until("web1")
    gateway.status = 503
    terminal.read_until("disconnected, retrying")
    gateway.status, gateway.answer = 200, json.dumps({"machines": [machine("web2")]}).encode()
    terminal.read_until("web2")
