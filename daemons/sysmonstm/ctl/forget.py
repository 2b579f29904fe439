"""`sysmonctl forget`: takes a machine out of the fleet, in the database; aggregators do the rest."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import Connection, errors

from sysmonstm.config import StorageSettings, UserError
from sysmonstm.ctl.format import duration_text
from sysmonstm.logs import printable

CONNECT_SECONDS = 5
# Who was heard less than three intervals ago, or less than this, still sends.
SENDING_SECONDS = 30.0
# The database ends one of two transactions that wait for each other; that may be this one.
ATTEMPTS = 5
SHOWN_NAMES = 3

_DEFAULT = StorageSettings().timescale_url

# A stream has moved when a sample of it was stored. A machine that has only called has none yet.
_MACHINE = """
SELECT greatest(3 * interval_seconds, %(least)s)::float8,
    extract(epoch FROM now() - coalesce(
        (SELECT max(moved) FROM streams WHERE machine = machines.id), first_seen))::float8
FROM machines WHERE name = %(name)s"""
_HISTORY = """
SELECT (SELECT count(*) FROM frames WHERE machine = id), (SELECT count(*) FROM minutes WHERE machine = id),
    (SELECT count(*) FROM hours WHERE machine = id)
FROM machines WHERE name = %(name)s"""


@dataclass(frozen=True, slots=True)
class Size:
    """How much history a machine has: rows of each tier."""

    samples: int
    minutes: int
    hours: int

    def __str__(self) -> str:
        counts = ((self.samples, "sample"), (self.minutes, "minute"), (self.hours, "hour"))
        parts = [f"{number:,} {noun}{'' if number == 1 else 's'}" for number, noun in counts]
        return f"{', '.join(parts[:-1])} and {parts[-1]} of history"


def database_url(chosen: Path | None, state: Path, environ: Mapping[str, str]) -> str:
    """Where the database is: in `chosen` (--state), else at TIMESCALE_URL, else in `state` if `up` runs there.

    UserError if a directory was chosen and no `sysmonctl up` has its database there.
    """
    directory = state / "postgres" / "run"
    runs = (directory / ".s.PGSQL.5432").exists()
    if chosen is not None and not runs:
        raise UserError(f"no `sysmonctl up` runs with its data in {state}; start it, or leave --state away")
    given = environ.get("TIMESCALE_URL")
    if chosen is None and given:
        return given
    return f"postgresql:///monitor?host={quote(str(directory), safe='')}&user=monitor" if runs else _DEFAULT


def forget(url: str, name: str, force: bool) -> None:
    """Forget the machine and say what goes with it; UserError if there is none, or it still sends, or no database."""
    try:
        with psycopg.connect(
            url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name="sysmonctl"
        ) as connection:
            _check(connection, name, force)
            size = _size(connection, name)
            if not _forget(connection, name):
                raise UserError(f"{name} has just been forgotten by somebody else")
    except (errors.UndefinedTable, errors.UndefinedFunction):
        raise UserError(
            "the database does not have this version's schema; sysmon-aggregatord makes it when it starts"
        ) from None
    except errors.InsufficientPrivilege as error:
        raise UserError(f"the database's user may not forget machines: {error.diag.message_primary}") from None
    except psycopg.ProgrammingError as error:
        if error.sqlstate:
            raise
        # What it says of the address may hold the password.
        raise UserError("TIMESCALE_URL is no address that libpq takes") from None
    except psycopg.OperationalError as error:
        raise UserError(f"{_first_line(error)}; set TIMESCALE_URL as the daemons have it, or name --state") from None
    print(f"{printable(name)} is forgotten; {size} will be deleted in the background")


def _check(connection: Connection, name: str, force: bool) -> None:
    row = connection.execute(_MACHINE, {"name": name, "least": SENDING_SECONDS}).fetchone()
    if row is None:
        raise UserError(_unknown(connection, name))
    patience, quiet = row
    if quiet < patience and not force:
        raise UserError(
            f"{name} still sends: it was heard {duration_text(max(quiet, 0.0))} ago; stop its collector "
            f"first and wait {patience:.0f} s, or use --force: it will come back as a new machine"
        )


def _unknown(connection: Connection, name: str) -> str:
    known = [row[0] for row in connection.execute("SELECT name FROM machines")]
    close = difflib.get_close_matches(name, known, n=SHOWN_NAMES)
    hint = f"did you mean {' or '.join(close)}?" if close else "`sysmonctl machines` prints those there are"
    return f"no machine is named {name}; {hint}"


def _size(connection: Connection, name: str) -> Size:
    row = connection.execute(_HISTORY, {"name": name}).fetchone()
    return Size(*row) if row else Size(0, 0, 0)


def _forget(connection: Connection, name: str) -> bool:
    for _ in range(ATTEMPTS - 1):
        try:
            return _forget_once(connection, name)
        except errors.DeadlockDetected:
            continue
    return _forget_once(connection, name)


def _forget_once(connection: Connection, name: str) -> bool:
    row = connection.execute("SELECT forget_machine(%s)", (name,)).fetchone()
    return bool(row and row[0])


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0] or type(error).__name__
