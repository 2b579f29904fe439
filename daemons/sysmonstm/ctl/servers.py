"""A private Redis and a private PostgreSQL, on unix sockets below a state directory, for as long as a `with` block.

Whoever calls is the only one to use the state directory: `sysmonctl up` holds its lock, a test has a directory of its
own. So a server that runs there already was left behind by a killed run, and is stopped first.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sysmonstm.config import UserError
from sysmonstm.ctl import binaries
from sysmonstm.ctl.account import Account, copy_for_others, for_postgres
from sysmonstm.ctl.binaries import PostgresInstallation
from sysmonstm.ctl.cluster import Cluster, settings
from sysmonstm.ctl.process import Pause, Program, running, stop_left_over
from sysmonstm.ctl.state import log_file, make_directory

SOCKET_PATH_BYTES = 107


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers at `url`; `edition` says for people what it is."""

    url: str
    process: subprocess.Popen[bytes]
    edition: str = ""

    @property
    def pid(self) -> int:
        """Of its first process."""
        return self.process.pid


@contextmanager
def redis(state: Path, pause: Pause = time.sleep) -> Iterator[Server]:
    """A Redis that keeps nothing on disk. UserError if it cannot be started. `pause` is what waits."""
    directory = make_directory(state.resolve() / "redis")
    path, pid_file = _socket_path(directory / "redis.sock"), directory / "pid"
    stop_left_over(pid_file, binaries.REDIS_NAMES, directory, signal.SIGTERM)
    command: list[str | Path] = [binaries.redis_server(), "--port", "0", "--daemonize", "no"]
    command += ["--unixsocket", path, "--unixsocketperm", "700", "--dir", directory, "--pidfile", pid_file]
    command += ["--save", "", "--appendonly", "no"]
    # It has nothing to write when it stops.
    program = Program("Redis", command, log_file(state.resolve(), "redis"), directory, stop_seconds=0.25)
    with running(program, lambda _: _pong(path), pause) as process:
        yield Server(f"unix://{quote(str(path))}", process)


@contextmanager
def postgres(
    state: Path, pause: Pause = time.sleep, installations: Sequence[PostgresInstallation] | None = None
) -> Iterator[Server]:
    """A PostgreSQL with a database "monitor" that outlives it. UserError if it cannot be started.

    `pause` is what waits; `installations` are those to choose from, None is all that this machine has.
    """
    directory = make_directory(state.resolve() / "postgres")
    data, run = directory / "data", directory / "run"
    _socket_path(run / ".s.PGSQL.5432")
    account = for_postgres()
    if not account.reaches(directory):
        raise UserError(
            f"PostgreSQL does not run as root, and its account {account.name} cannot enter {directory}; "
            "choose another directory with --state, such as /var/lib/sysmonstm"
        )
    found = binaries.postgres_installations() if installations is None else installations
    installation = binaries.choose_postgres(found, data)
    executables = _reachable(installation, account, directory, pause)
    stop_left_over(data / "postmaster.pid", ["postgres"], data, signal.SIGINT)
    account.own(make_directory(run, 0o700))
    command: list[str | Path] = [executables / "postgres", "-D", data, *settings(run, installation)]
    log = log_file(state.resolve(), "postgresql")
    program = Program("PostgreSQL", command, log, data, account, signal.SIGINT)
    Cluster(program, executables, installation).prepare(pause)
    with running(program, lambda pid: _ready(data / "postmaster.pid", pid), pause) as process:
        url = f"postgresql:///monitor?host={quote(str(run), safe='')}&user=monitor"
        yield Server(url, process, installation.edition)


def _reachable(installation: PostgresInstallation, account: Account, directory: Path, pause: Pause) -> Path:
    """The directory of executables that `account` can run: where they are, or that of a copy of the wheel's tree."""
    if account.reaches(installation.bin / "postgres"):
        return installation.bin
    if not installation.wheel:
        raise UserError(
            f"the account {account.name} cannot run {installation.bin / 'postgres'}; install Debian's postgresql"
        )
    # A virtual environment below /root, say. The executables find their libraries by the way from one to the other.
    tree = installation.bin.parent
    libraries = tree.parent.with_name(f"{tree.parent.name}.libs")
    target = directory / f"server-{installation.version}"
    copy = target / tree.parent.name / tree.name
    if not copy.exists():
        make_directory(copy.parent)
        if libraries.is_dir() and not (target / libraries.name).exists():
            copy_for_others(libraries, target / libraries.name, pause)
        copy_for_others(tree, copy, pause)
    return copy / "bin"


def _pong(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
        except OSError:
            return False


def _ready(pid_file: Path, pid: int) -> bool:
    """Whether postmaster.pid says that this very process is ready: its first line is the pid, its eighth the status."""
    try:
        lines = pid_file.read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


def _socket_path(path: Path) -> Path:
    if len(os.fsencode(path)) > SOCKET_PATH_BYTES:
        raise UserError(
            f"{path} is too long for a unix socket ({SOCKET_PATH_BYTES} bytes at most); choose a shorter --state"
        )
    return path
