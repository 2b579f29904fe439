"""What the private PostgreSQL runs on: its settings, and a data directory that is made whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sysmonstm.ctl.binaries import TIMESCALEDB_VERSION, PostgresInstallation
from sysmonstm.ctl.process import Pause, Program, run_once
from sysmonstm.ctl.state import make_directory

# Jobs of TimescaleDB's own would do nothing for us: roll-up and retention are aggregatord's. And it calls nobody.
TIMESCALEDB = {
    "shared_preload_libraries": "timescaledb",
    "timescaledb.telemetry_level": "off",
    "timescaledb.max_background_workers": "0",
}
# Where else a failed statement ends nothing.
STATEMENTS = {"exit_on_error": "on"}


@dataclass(frozen=True, slots=True)
class Cluster:
    """The data directory of `server`, whose programs are `executables`, those of `installation` or a copy."""

    server: Program
    executables: Path
    installation: PostgresInstallation

    @property
    def data(self) -> Path:
        """The directory."""
        return self.server.cwd

    def prepare(self, pause: Pause) -> None:
        """Make it if it is not there, else bring it to the TimescaleDB of now. UserError if that cannot be.

        One that was made without TimescaleDB stays without: its tables are plain ones, and serve as well as ever.
        """
        if not self.data.exists():
            self._make(pause)
        elif (noted := self.data / TIMESCALEDB_VERSION).exists() and noted.read_text() != self.installation.timescaledb:
            self._run(self.data, "monitor", "ALTER EXTENSION timescaledb UPDATE", pause)
            self._note_timescaledb(self.data)

    def _make(self, pause: Pause) -> None:
        fresh = self.data.with_name("data.partial")
        if fresh.exists():
            shutil.rmtree(fresh)
        self.server.account.own(make_directory(fresh, 0o700))
        # "trust" whoever reaches the socket, for only we do: its directory is the account's alone (0700), and there is
        # no TCP. "peer" would not do: as root, our daemons are another account than the server's.
        how = ["--auth=trust", "--username=monitor", "--encoding=UTF8", "--locale=C"]
        command: list[str | Path] = [self.executables / "initdb", "-D", fresh, *how]
        run_once(replace(self.server, name="initdb", command=command, cwd=fresh), pause)
        self._run(fresh, "template1", "CREATE DATABASE monitor", pause)
        if self.installation.timescaledb:
            self._run(fresh, "monitor", "CREATE EXTENSION timescaledb", pause)
            self._note_timescaledb(fresh)
        fresh.rename(self.data)

    def _run(self, data: Path, database: str, statement: str, pause: Pause) -> None:
        """Run a statement in a database that no server serves."""
        chosen = STATEMENTS | _for_timescaledb(self.installation)
        command: list[str | Path] = [self.executables / "postgres", "--single", "-D", data, *_options(chosen), database]
        run_once(replace(self.server, name="postgres", command=command, cwd=data), pause, f"{statement};\n".encode())

    def _note_timescaledb(self, data: Path) -> None:
        (data / TIMESCALEDB_VERSION).write_text(self.installation.timescaledb or "")
        self.server.account.own(data / TIMESCALEDB_VERSION)


def settings(run: Path, installation: PostgresInstallation) -> Iterator[str]:
    """The server's options: it listens in the directory `run` alone, and loads TimescaleDB where it is installed."""
    chosen = {
        "listen_addresses": "",
        # A list, in which a comma would part a path in two.
        "unix_socket_directories": '"{}"'.format(str(run).replace('"', '""')),
        "unix_socket_permissions": "0700",
        "shared_buffers": "32MB",
        "synchronous_commit": "on",
        "logging_collector": "off",
    }
    return _options(chosen | _for_timescaledb(installation))


def _for_timescaledb(installation: PostgresInstallation) -> dict[str, str]:
    return TIMESCALEDB if installation.timescaledb else {}


def _options(chosen: Mapping[str, str]) -> Iterator[str]:
    for name, value in chosen.items():
        yield "-c"
        yield f"{name}={value}"
