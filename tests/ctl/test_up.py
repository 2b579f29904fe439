"""`sysmonctl up`: what it refuses and how it says so, what becomes of a part that ends, how sockets are handed over."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sysmonstm.config import UserError
from sysmonstm.ctl.notify import notify_socket, received
from sysmonstm.ctl.parts import LAUNCH
from sysmonstm.ctl.sockets import NAMES, addresses, bound_address, from_here, listen, open_sockets
from sysmonstm.ctl.state import LOG_BYTES, locked, log_file, state_directory
from sysmonstm.ctl.supervisor import GiveUp, Restart, Supervised, after_end
from sysmonstm.listen import Address, describe, parse_address


def sysmonctl_up(state: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end, on ports of its own unless told otherwise."""
    environ = os.environ | {"AGGREGATOR_LISTEN": "127.0.0.1:0", "GATEWAY_LISTEN": "127.0.0.1:0"} | settings
    command = [sys.executable, "-m", "sysmonstm.ctl", "up", "--state", str(state)]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)


def left_running(state: Path) -> list[str]:
    """Commands that name the state directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environ = (process / "environ").read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if str(state) in command + environ and process.name != str(os.getpid()):
            found.append(command)
    return found


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("setting", ["AGGREGATOR_LISTEN", "GATEWAY_LISTEN"])
def test_a_taken_port_is_one_line_that_names_the_setting_and_nothing_is_started(
    setting: str, taken_port: int, state: Path
) -> None:
    done = sysmonctl_up(state, **{setting: f"127.0.0.1:{taken_port}"})
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"{setting}: cannot listen on 127.0.0.1:{taken_port}: something else listens there" in done.stderr
    assert done.stdout == ""
    assert not (state / "redis").exists()
    assert left_running(state) == []


def test_a_second_instance_is_one_line_with_a_hint(state: Path) -> None:
    with locked(state):
        done = sysmonctl_up(state)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert f"runs already with its data in {state}; stop that one, or choose another with --state" in done.stderr


def test_the_lock_is_free_again_afterwards(state: Path) -> None:
    for _ in range(2):
        with locked(state):
            pass


@pytest.mark.parametrize("directory", ["file", "file/below", "/proc/none/such"])
def test_a_state_directory_that_cannot_be_written_is_one_line_with_a_hint(directory: str, state: Path) -> None:
    (state / "file").write_text("in the way")
    done = sysmonctl_up(state / directory)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "choose another directory with --state" in done.stderr


def test_a_bad_setting_of_a_daemon_is_told_and_nothing_is_left_running(state: Path) -> None:
    done = sysmonctl_up(state, COLLECTOR_COLLECTION_INTERVAL="often")
    assert done.returncode == 1
    assert "collectord did not start" in done.stderr
    assert "COLLECTOR_COLLECTION_INTERVAL" in done.stderr.splitlines()[-1]
    assert left_running(state) == []


def test_the_state_directory_is_the_one_asked_for_then_that_of_the_environment_then_the_customary_one() -> None:
    environ = {"SYSMON_STATE_DIR": "/named", "XDG_STATE_HOME": "/xdg", "HOME": "/home/me"}
    assert state_directory(Path("/asked"), environ, root=True) == Path("/asked")
    assert state_directory(None, environ, root=True) == Path("/named")
    del environ["SYSMON_STATE_DIR"]
    assert state_directory(None, environ, root=True) == Path("/var/lib/sysmonstm")
    assert state_directory(None, environ, root=False) == Path("/xdg/sysmonstm")
    del environ["XDG_STATE_HOME"]
    assert state_directory(None, environ, root=False) == Path("/home/me/.local/state/sysmonstm")


def test_a_log_that_has_grown_large_makes_room_once(tmp_path: Path) -> None:
    path = log_file(tmp_path, "gatewayd")
    path.write_bytes(b"x" * (LOG_BYTES + 1))
    assert log_file(tmp_path, "gatewayd").stat().st_size == 0
    assert (tmp_path / "logs" / "gatewayd.log.1").stat().st_size == LOG_BYTES + 1


@pytest.mark.parametrize("text", ["8000", "localhost", "127.0.0.1:http", "::1:8000", "127.0.0.1:70000", ":8000"])
def test_what_is_no_address_is_refused_by_the_name_of_its_setting(text: str) -> None:
    with pytest.raises(UserError, match="GATEWAY_LISTEN: "):
        listen("GATEWAY_LISTEN", text)


def test_any_free_port_is_known_once_it_is_bound() -> None:
    with listen("GATEWAY_LISTEN", "127.0.0.1:0") as listener:
        address = bound_address(listener)
        assert address.port > 0
        socket.create_connection(address, timeout=5).close()


@pytest.mark.parametrize(
    ("bound", "reached"),
    [("0.0.0.0", "127.0.0.1:8000"), ("::", "[::1]:8000"), ("::1", "[::1]:8000"), ("192.0.2.1", "192.0.2.1:8000")],
)
def test_this_machine_reaches_what_listens_everywhere_by_loopback(bound: str, reached: str) -> None:
    assert str(from_here(Address(bound, 8000))) == reached


@pytest.mark.parametrize(
    ("status", "ever_ready", "ends", "decision"),
    [
        (1, False, 1, GiveUp()),  # bad settings
        (1, True, 1, Restart(1.0)),
        (-9, False, 1, Restart(1.0)),
        (0, True, 1, Restart(1.0)),
        (-9, True, 2, Restart(2.0)),
        (-9, True, 3, Restart(4.0)),
        (-9, True, 4, Restart(8.0)),
        (-9, True, 5, Restart(10.0)),
        (-9, True, 500, Restart(10.0)),
    ],
)
def test_what_ends_is_restarted_ever_later_unless_its_settings_are_bad(
    status: int, ever_ready: bool, ends: int, decision: Restart | GiveUp
) -> None:
    assert after_end(status, ever_ready, ends) == decision


class Puppet:
    """A part whose life the test writes."""

    name = "gatewayd"

    def __init__(self) -> None:
        self.ready = False
        self.starts = 0
        self.status: int | None = None
        self.trouble = ""

    def start(self) -> None:
        self.starts += 1
        if self.trouble:
            raise UserError(self.trouble)
        self.ready, self.status = True, None

    def ended(self) -> int | None:
        if self.status is not None:
            self.ready = False
        return self.status

    def last_words(self) -> str:
        return "GATEWAY_LISTEN is wrong"


def life(puppet: Puppet) -> tuple[Callable[[float], None], list[str]]:
    said: list[str] = []
    return Supervised(puppet, said.append).step, said


def test_a_daemon_that_dies_comes_back_after_its_delay_and_the_person_is_told() -> None:
    puppet = Puppet()
    step, said = life(puppet)
    step(0.0)
    step(1.0)
    puppet.status = -9
    for now in (2.0, 2.5, 2.9):
        step(now)
    assert (puppet.starts, said) == (1, ["gatewayd was killed by signal 9; starting it again in 1 s"])
    step(3.0)
    assert puppet.starts == 2
    puppet.status = 3
    step(4.0)
    assert said[1:] == ["gatewayd ended with status 3; starting it again in 2 s"]


def test_a_daemon_that_has_served_for_a_while_begins_with_the_shortest_delay_again() -> None:
    puppet = Puppet()
    step, said = life(puppet)
    step(0.0)
    for now in (1.0, 2.5, 100.0):
        puppet.status = -9
        step(now)
        step(now + 10.0)
    assert [line[-3:] for line in said] == ["1 s", "2 s", "1 s"]


def test_bad_settings_end_everything_with_the_daemons_own_words() -> None:
    puppet = Puppet()
    step, _ = life(puppet)
    step(0.0)
    puppet.ready, puppet.status = False, 1
    with pytest.raises(UserError, match="GATEWAY_LISTEN is wrong"):
        step(1.0)


def test_a_server_that_cannot_be_started_again_is_tried_on() -> None:
    puppet = Puppet()
    step, said = life(puppet)
    step(0.0)
    step(1.0)
    puppet.status, puppet.trouble = -9, "the disk is full"
    step(2.0)
    step(3.0)
    assert said[-1] == "gatewayd cannot be started again: the disk is full; starting it again in 2 s"
    puppet.trouble = ""
    step(5.0)
    assert (puppet.starts, puppet.ready) == (3, True)


WHAT_IT_INHERITED = """
import os
from sysmonstm.handed import inherited_sockets
found = inherited_sockets(os.environ)
print([(name, [sock.getsockname()[1] for sock in sockets]) for name, sockets in found.items()])
"""


@pytest.mark.parametrize("first_descriptor", [3, 4, 40])
def test_a_daemon_inherits_its_sockets_by_name_wherever_they_were(first_descriptor: int, state: Path) -> None:
    # In a process of its own, where low descriptors are free to be taken.
    script = f"""
import fcntl, os, socket, subprocess, sys
made = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
moved = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD_CLOEXEC, 60) for one in made]
ports = [one.getsockname()[1] for one in made]
[one.close() for one in made]
given = [{first_descriptor} + 1, {first_descriptor}]
[os.dup2(*pair, inheritable=False) for pair in zip(moved, given)]
print(ports, flush=True)
launch = [sys.executable, "-I", "-S", {str(LAUNCH)!r}, str(os.getpid()), ",".join(map(str, given)), "a.socket:b.socket"]
subprocess.run([*launch, sys.executable, "-c", {WHAT_IT_INHERITED!r}], pass_fds=given, check=True)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    ports, inherited = done.stdout.splitlines()
    one, other = ports.strip("[]").split(", ")
    assert inherited == f"[('a.socket', [{one}]), ('b.socket', [{other}])]"


def test_each_daemon_has_a_socket_and_those_of_the_machine_itself_lie_in_the_state_directory(state: Path) -> None:
    environ = {"AGGREGATOR_LISTEN": "127.0.0.1:0", "GATEWAY_LISTEN": "127.0.0.1:0"}
    with ExitStack() as opened:
        found = {name: opened.enter_context(sock) for name, sock in open_sockets(state, environ, {})}
        assert found.keys() == NAMES.keys()
        assert describe(found["alertd"]) == f"unix:{state}/run/alertd.sock"
        assert found["collectord"].type == socket.SOCK_DGRAM
        assert (state / "run").stat().st_mode & 0o777 == 0o700
        settings = addresses(state, found)
        assert settings["GATEWAY_ALERTD"] == describe(found["alertd"])
        assert parse_address(settings["COLLECTOR_AGGREGATOR_URL"]) == bound_address(found["aggregatord"])
        # What is open already is not opened again, and what somebody holds cannot be had.
        assert list(open_sockets(state, environ, found)) == []
        with pytest.raises(UserError, match=f"--state {state}: cannot listen on unix:{state}/run/alertd.sock"):
            list(open_sockets(state, environ, {"aggregatord": 1, "gatewayd": 1}))
    # Those that a run before has left are in nobody's way.
    for _, sock in open_sockets(state, environ, {}):
        sock.close()


def test_a_daemon_does_not_outlive_a_killed_up(state: Path) -> None:
    sleeper = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(30)"]
    script = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-I", "-S", {str(LAUNCH)!r}, str(os.getpid()), "", "", *{sleeper!r}])
child.wait()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout
        assert up.stdout.readline() == "here\n"
        up.kill()
        # The pipe ends when the last process that holds it has.
        ended, _, _ = select.select([up.stdout], [], [], 10)
        assert ended
        assert up.stdout.read() == ""


def test_what_a_daemon_tells_its_service_manager_arrives_with_its_pid(state: Path) -> None:
    with notify_socket(state / "notify") as listener:
        assert list(received(listener)) == []
        said = b"READY=1\nSTATUS=serving = well\nnonsense"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
            daemon.connect(str(state / "notify"))
            daemon.send(said)
        [notification] = received(listener)
        assert notification.pid == os.getpid()
        assert notification.fields == {"READY": "1", "STATUS": "serving = well"}
    assert not (state / "notify").exists()
