"""Real programs on a real socket: what they send is counted, what is hostile is told of, and a flood stops nobody."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sysmonstm.collectord.probe import Row
from sysmonstm.collectord.probes import CATALOGUE
from sysmonstm.collectord.statsd import receiver as receiving
from sysmonstm.collectord.statsd import valve
from sysmonstm.collectord.statsd.aggregate import Aggregate, Bounds
from sysmonstm.collectord.statsd.complaints import MOST, SECONDS, Complaints
from sysmonstm.collectord.statsd.intake import MOST_DATAGRAM_BYTES
from sysmonstm.collectord.statsd.names import Names
from sysmonstm.collectord.statsd.receiver import SHARE, Receiver
from sysmonstm.collectord.statsd.words import Reason
from sysmonstm.service import Service
from tests.shared.real_server import until

README = Path(__file__).parents[2] / "README.md"
EXAMPLES = [
    line
    for line in README.read_text()
    .split("<!-- examples: checked by tests/collectord/test_statsd_receiver.py -->\n")[1]
    .split("```")[1]
    .splitlines()[1:]
    if line
]
UNIT = next(block for block in README.read_text().split("```ini\n")[1:] if "metrics.sock" in block).split("```")[0]
# Sends until it is told to stop, and then says how often, and how long the longest one took.
FLOOD = """
import socket, sys, threading, time
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set())).start()
sent, longest = 0, 0.0
while not stop.is_set():
    before = time.monotonic()
    sock.sendto(b"shop.orders:1|c\\n" * 20, sys.argv[1])
    sent, longest = sent + 1, max(longest, time.monotonic() - before)
print(sent, longest)
"""


def send(path: str, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        # None waits so long, unless something is wrong.
        sender.settimeout(30)
        for datagram in datagrams:
            sender.sendto(datagram, path)


@dataclass
class Receiving:
    path: str
    sock: socket.socket
    statsd: Aggregate
    receiver: Receiver
    task: asyncio.Task[None]
    # How often the receiver's clock of CPU time was asked: twice for each time that it was woken.
    asked: list[float]

    async def send(self, *datagrams: bytes) -> None:
        """As a program does: it waits while there is no room."""
        await asyncio.to_thread(send, self.path, *datagrams)

    async def taken(self, lines: int) -> None:
        await until(f"{lines} lines are taken", lambda: self.receiver.counts().lines >= lines)
        assert self.receiver.counts().lines == lines

    async def refused(self, number: int) -> None:
        await until(f"{number} are refused", lambda: self.receiver.counts().refused.total() >= number)


@asynccontextmanager
async def running(directory: Path, sock: socket.socket | None = None) -> AsyncIterator[Receiving]:
    path = str(directory / "metrics.sock")
    bound = sock or socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if sock is None:
        bound.bind(path)
    statsd = Aggregate(Names(CATALOGUE), Bounds(500, 600.0), time.monotonic())
    asked: list[float] = []

    def cpu() -> float:
        asked.append(time.thread_time())
        return asked[-1]

    receiver = Receiver(bound, statsd, cpu)
    task = asyncio.create_task(receiver.run(Service()))
    # It has begun then.
    await asyncio.sleep(0)
    here = Receiving(path, bound, statsd, receiver, task, asked)
    try:
        yield here
        assert not here.task.done() or here.task.exception() is None
    finally:
        here.task.cancel()
        await asyncio.wait([here.task])
        bound.close()


def named(rows: Iterable[Row]) -> dict[str, float]:
    return {f"{metric.name}[{instance}]" if instance else metric.name: value for metric, instance, value in rows}


async def test_lines_of_several_programs_and_datagrams_are_taken(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        await here.send(b"shop.orders:1|c\n", b"shop.orders:2|c\nshop.queue:7|g\n\nshop.checkout:20:40|ms", b"")
        await here.send(b"shop.queue:9|g|#region:eu")
        await here.taken(5)
        values = named(here.statsd.rows(time.monotonic() + 1))
    assert values["shop.queue"] == 7.0
    assert values["shop.queue[region=eu]"] == 9.0
    assert values["shop.checkout_mean"] == pytest.approx(0.03)
    assert values["shop.orders"] > 0


async def test_a_bad_line_costs_only_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(tmp_path) as here:
        await here.send(b"a.b:1|c\nnonsense\ncpu.percent:1|g\na.b:inf|g\na.b:1|c")
        await here.taken(2)
        assert here.receiver.counts().refused == {Reason.SYNTAX: 1, Reason.TAKEN: 1, Reason.VALUE: 1}
        assert here.receiver.counts().lines == 2


async def test_a_datagram_of_any_bytes_does_no_harm(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        hostile = [bytes(range(256)), b"\xff" * 3000, b"\0" * 100, b":|" * 500, b"\n" * 1000, b"a.b:1|c" * 400]
        await here.send(*hostile, b"last.one:1|c")
        await here.taken(1)
        assert named(here.statsd.rows(time.monotonic())).keys() == {"last.one"}


async def test_a_datagram_that_is_too_long_is_refused_whole(tmp_path: Path) -> None:
    async with running(tmp_path) as here:
        fits = b"a.b:1|c\n" * (MOST_DATAGRAM_BYTES // 8)
        await here.send(fits, fits + b"\n")
        await here.refused(1)
        assert here.receiver.counts().refused == {Reason.LENGTH: 1}
        await here.taken(MOST_DATAGRAM_BYTES // 8)


async def test_the_first_of_a_kind_is_told_of_with_the_line_escaped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as here:
        hostile = b"\x1b[2Jforged\xff" + b"x" * 600
        await here.send(hostile, hostile, b"other nonsense", b"cpu.percent:1|g", b"cpu.percent:2|g", b"cpu.user:2|g")
        await here.refused(6)
    told = [record.__dict__["sysmon_fields"] for record in caplog.records]
    assert [(one["reason"], one["line"][:21]) for one in told] == [
        ("length", "\\x1b[2Jforged\\xffxxxx"),
        ("syntax", "other nonsense"),
        ("taken", "cpu.percent:1|g"),
        ("taken", "cpu.user:2|g"),
    ]
    assert all(len(one["line"]) < 200 for one in told)
    assert all(record.__dict__["sysmon_event"] == "statsd.refused" for record in caplog.records)


def test_names_without_end_make_no_log_without_end() -> None:
    complaints = Complaints()
    told = sum(complaints.worth(Reason.TAKEN, b"cpu.x%d:1|g" % number, 1.0) for number in range(10_000))
    assert told == MOST
    assert not complaints.worth(Reason.TAKEN, b"cpu.x0:1|g", SECONDS)
    assert complaints.worth(Reason.TAKEN, b"cpu.x0:1|g", SECONDS + 1)


async def test_a_flood_costs_a_small_share_and_no_sender_waits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as here:
        command = [sys.executable, "-c", FLOOD, here.path]
        pipe = asyncio.subprocess.PIPE
        flood = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
        await until("it is shut", lambda: here.receiver.counts().shut_seconds > 0)
        before, cpu = time.monotonic(), time.thread_time()
        shut = here.receiver.counts().shut_seconds
        await asyncio.sleep(2)
        used, passed = time.thread_time() - cpu, time.monotonic() - before
        # However often a program sends that is no flood, it does not wait: the kernel takes it.
        await here.send(*[b"a.b:1|c"] * 1000)
        out, _ = await flood.communicate(b"")
        counts = here.receiver.counts()
        sent = int(out.split()[0]) * 20
        assert 0 < counts.lines < sent / 4, (counts, sent)
        # With room for what the test itself and the event loop take.
        assert used / passed < 4 * SHARE
        assert counts.shut_seconds > shut
        # When it is over, all is as before.

        async def heard() -> bool:
            await here.send(b"after.all:1|c")
            return "after.all" in named(here.statsd.rows(time.monotonic()))

        await until("it reads again", heard)
    flooded = [one for one in caplog.records if one.__dict__["sysmon_event"] == "statsd.flooded"]
    assert len(flooded) == 1


async def test_where_the_kernel_cannot_shut_a_socket_senders_wait_a_moment_and_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valve, "shut", lambda sock: False)
    async with running(tmp_path) as here:
        flood = await asyncio.create_subprocess_exec(
            sys.executable, "-c", FLOOD, here.path, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        await until("it is shut", lambda: here.receiver.counts().shut_seconds > 1)
        out, _ = await flood.communicate(b"")
    assert int(out.split()[0]) > 100


def test_a_shut_socket_frees_senders_and_takes_nothing_until_it_is_open(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.setblocking(False)
        # Fills the queue, however long, and then waits.
        done = threading.Event()

        def fill() -> None:
            send(path, *[b"x"] * 100_000)
            done.set()

        threading.Thread(target=fill, daemon=True).start()
        assert not done.wait(0.5)
        assert valve.shut(sock)
        assert done.wait(30)
        with pytest.raises(BlockingIOError):
            sock.recv(1)
        valve.unshut(sock)
        valve.unshut(sock)
        send(path, b"heard")
        assert sock.recv(10) == b"heard"


async def test_a_socket_that_a_killed_process_left_shut_is_opened_at_the_start_and_the_end(tmp_path: Path) -> None:
    path = str(tmp_path / "metrics.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as held:
        held.bind(path)
        assert valve.shut(held)
        async with running(tmp_path, held.dup()) as here:
            await here.send(b"a.b:1|c")
            await here.taken(1)
            valve.shut(held)
        send(path, b"queued")
        # What comes while nobody runs waits in the socket, which is still there.
        assert held.recv(10, socket.MSG_DONTWAIT) == b"queued"


async def test_what_was_sent_while_nobody_ran_is_taken_at_the_start(tmp_path: Path) -> None:
    path = str(tmp_path / "metrics.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as held:
        held.bind(path)
        send(path, *[b"a.b:1|c"] * 5)
        async with running(tmp_path, held.dup()) as here:
            await here.taken(5)


async def test_a_defect_ends_the_loop_with_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(tmp_path) as here:

        def fail(line: object, now: float) -> None:
            raise ZeroDivisionError("a defect")

        monkeypatch.setattr(here.statsd, "take", fail)
        await here.send(b"a.b:1|c")
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(here.task, 30)
        here.task = asyncio.create_task(asyncio.sleep(0))


async def test_the_loop_beats_though_nothing_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "BEAT_SECONDS", 0.05)
    beats: list[tuple[str, float]] = []
    manager = Service()
    monkeypatch.setattr(manager, "beat", lambda loop, every: beats.append((loop, every)))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "metrics.sock"))
        receiver = Receiver(sock, Aggregate(Names(CATALOGUE), Bounds(1, 1), 0.0))
        task = asyncio.create_task(receiver.run(manager))
        await until("it beats", lambda: len(beats) > 3)
        task.cancel()
        await asyncio.wait([task])
    assert set(beats) == {("statsd", 5.0)}


async def test_much_is_gathered_where_the_queue_is_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = tmp_path / "max_dgram_qlen"
    queue.write_text("512\n")
    monkeypatch.setattr(receiving, "QUEUE", queue)
    async with running(tmp_path) as here:
        for _ in range(100):
            await here.send(b"a.b:1|c")
            await asyncio.sleep(0.005)
        await here.taken(100)
        assert len(here.asked) / 2 < 80


async def test_the_event_loop_has_its_turn_between_long_datagrams(tmp_path: Path) -> None:
    path = str(tmp_path / "metrics.sock")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as held:
        held.bind(path)
        # Each by a program of its own: what one may have under way is limited too.
        for _ in range(8):
            send(path, b"a.b:1|c\n" * 1000)
        async with running(tmp_path, held.dup()) as here:
            await here.taken(8000)
            assert len(here.asked) / 2 >= 8


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.split("/")[0].split()[0])
async def test_the_examples_of_the_readme_work(example: str, tmp_path: Path) -> None:
    for tool in re.findall("systemd-notify|python3", example):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is missing")
    async with running(tmp_path) as here:
        command = example.replace("/run/sysmon/metrics.sock", here.path)
        shell = await asyncio.create_subprocess_shell(command)
        assert await shell.wait() == 0
        await here.taken(1)
        assert not here.receiver.counts().refused


async def test_the_unit_of_the_readme_reports_a_backups_time_and_status(tmp_path: Path) -> None:
    if not shutil.which("systemd-notify"):
        pytest.skip("systemd-notify is missing; apt-get install systemd")
    found = re.search(r"^ExecStart=/bin/bash -c '(.*)'$", UNIT, re.MULTILINE)
    assert found
    async with running(tmp_path) as here:
        # systemd makes one dollar of two.
        script = found[1].replace("$$", "$").replace("/run/sysmon/metrics.sock", here.path)
        script = script.replace("/usr/local/bin/backup", "(sleep 1.1; exit 3)")
        done = await asyncio.to_thread(subprocess.run, ["/bin/bash", "-c", script], timeout=60)
        assert done.returncode == 3
        await here.taken(2)
        values = named(here.statsd.rows(time.monotonic()))
    assert 1 <= values["backup.duration_seconds"] < 60
    assert values["backup.status"] == 3
