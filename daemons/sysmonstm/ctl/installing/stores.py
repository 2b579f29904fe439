"""Redis and PostgreSQL of the machine that becomes a hub: whether they are there, and a database for the daemons.

PostgreSQL knows the daemons by the names of their accounts (peer authentication); there is no password.
"""

from __future__ import annotations

import re
import shutil
import socket
from functools import partial
from pathlib import Path

from sysmonstm.config import UserError
from sysmonstm.ctl.installing.steps import Steps, run
from sysmonstm.resources import resource

DATABASE = "sysmon"
OWNER, READER, ALERTS = ACCOUNTS = ("sysmon-aggregatord", "sysmon-gatewayd", "sysmon-alertd")
REDIS = ("127.0.0.1", 6379)
SECONDS = 2.0
NSSWITCH = Path("/etc/nsswitch.conf")

_PSQL = (
    *("runuser", "-u", "postgres", "--"),
    *("psql", "--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--set=ON_ERROR_STOP=1"),
)
_PEER = """
SELECT count(*) FROM pg_hba_file_rules WHERE type = 'local' AND auth_method = 'peer' AND 'all' = ANY (user_name)
    AND ('all' = ANY (database) OR :'database' = ANY (database))"""
_OTHERS = "SELECT count(*) FROM pg_database WHERE NOT datistemplate AND datname NOT IN ('postgres', :'database')"
_ROLE = "SELECT 1 FROM pg_roles WHERE rolname = :'account'"
_DATABASE_OWNER = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = :'database'"
_RIGHTS = """
SELECT count(*) FROM pg_default_acl, aclexplode(defaclacl) AS given
WHERE pg_get_userbyid(defaclrole) = :'owner' AND pg_get_userbyid(given.grantee) = :'account'"""


def check_stores(redis: bool, postgres: bool) -> None:
    """UserError with the one command to run if what is asked for is not there, or does not answer."""
    packages = []
    if postgres and not shutil.which("psql"):
        packages += ["postgresql", *_timescaledb_packages()]
    if redis and not shutil.which("redis-server") and not shutil.which("valkey-server") and not _redis_says():
        packages.append("redis-server")
    if postgres and not _knows_dynamic_users():
        packages.append("libnss-systemd")
    if packages:
        raise UserError(
            f"a hub needs what is not here: apt install {' '.join(packages)}; or, if another machine has it, put its "
            "address into /etc/sysmonstm/credentials/timescale_url and redis_url"
        )
    if redis:
        _check_redis()
    if postgres:
        _check_postgres()


def _check_redis() -> None:
    said = _redis_says()
    if not said:
        raise UserError("Redis does not answer at 127.0.0.1:6379: systemctl start redis-server")
    if said != "+PONG":
        raise UserError(
            f"Redis answers {said!r}; put its address, with the password, into /etc/sysmonstm/credentials/redis_url: "
            "redis://:PASSWORD@localhost:6379"
        )


def _check_postgres() -> None:
    try:
        peer = _ask(_PEER)
    except UserError as error:
        raise UserError(f"PostgreSQL does not answer its own account ({error}); systemctl start postgresql") from None
    if peer == "0":
        raise UserError(
            "PostgreSQL does not know local accounts by name; put the line `local sysmon all peer` first into the file "
            f"{_ask('SHOW hba_file')} and systemctl reload postgresql"
        )
    check_database()


def database_address(account: str) -> str:
    """What a daemon connects to: the socket and port of this machine's PostgreSQL, under its own name."""
    directory = _ask("SHOW unix_socket_directories").split(",")[0].strip(' "').replace("/var/run/", "/run/")
    port = _ask("SHOW port")
    extra = "" if port == "5432" else f" port={port}"
    return f"host={directory}{extra} user={account} dbname={DATABASE}"


def check_database() -> None:
    """UserError if the database's name is taken, or others would be disturbed by making it."""
    owner = _ask(_DATABASE_OWNER)
    if owner not in ("", OWNER):
        raise UserError(
            f"the database {DATABASE} is {owner}'s; rename it (ALTER DATABASE {DATABASE} RENAME TO …), or put the "
            "address of another into /etc/sysmonstm/credentials/timescale_url"
        )
    if not owner and _lacks_timescaledb() and (_ask(_OTHERS) != "0" or not _unit()):
        raise UserError(
            f"PostgreSQL must load TimescaleDB, and others use it: as postgres say `{_load_timescaledb()}` in psql, "
            "restart it, and run this again"
        )


def put_database(steps: Steps) -> None:
    """Make the roles, the database and their rights, unless all of them are there."""
    missing = _missing()
    if not missing:
        return
    if f"the database {DATABASE}" in missing:
        _put_timescaledb(steps)
    steps.take(f"make in PostgreSQL: {', '.join(missing)}", lambda: _psql(resource("sql") / "database.sql"))


def _missing() -> list[str]:
    """What is not there, for people."""
    roles = [f"the role {account}" for account in ACCOUNTS if not _ask(_ROLE, account=account)]
    if not _ask(_DATABASE_OWNER):
        return [*roles, f"the database {DATABASE}"]
    without = [one for one in (READER, ALERTS) if _ask(_RIGHTS, DATABASE, one) == "0"]
    return [*roles, *(f"the rights of {account}" for account in without)]


def _put_timescaledb(steps: Steps) -> None:
    """Have PostgreSQL load TimescaleDB, before a database is made that would do without it ever after."""
    if _lacks_timescaledb():
        unit = _unit()
        steps.take(f"have PostgreSQL load TimescaleDB, and restart {unit}", partial(_ask, _load_timescaledb()))
        if not steps.dry:
            run(["systemctl", "restart", unit])
    elif not _preloaded():
        steps.say("PostgreSQL has no TimescaleDB: history is kept in plain tables, which is slower with many machines")


def _lacks_timescaledb() -> bool:
    """Whether it is installed and not loaded."""
    return not _preloaded() and bool(_ask("SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"))


def _load_timescaledb() -> str:
    return f"ALTER SYSTEM SET shared_preload_libraries = {', '.join([*_libraries(), 'timescaledb'])}"


def _unit() -> str:
    """The unit of this cluster, as Debian names it; empty if it is named in another way."""
    named = re.fullmatch(r"(\d+)/([\w.-]+)", _ask("SHOW cluster_name"))
    return f"postgresql@{named[1]}-{named[2]}.service" if named else ""


def _libraries() -> list[str]:
    return [one.strip() for one in _ask("SHOW shared_preload_libraries").split(",") if one.strip()]


def _preloaded() -> bool:
    return "timescaledb" in _libraries()


def _ask(sql: str, database: str = "postgres", account: str = "") -> str:
    """The one value that a question has, empty if it has none. Asked as PostgreSQL's own account."""
    names = {"database": DATABASE, "owner": OWNER, "account": account}
    variables = [f"--set={name}={value}" for name, value in names.items()]
    return run([*_PSQL, *variables, f"--dbname={database}"], stdin=sql).strip()


def _psql(file: Path) -> None:
    # Read here: PostgreSQL's account may not be able to.
    run([*_PSQL, "--dbname=postgres"], stdin=file.read_text())


def _timescaledb_packages() -> list[str]:
    if not shutil.which("apt-cache"):
        return []
    found = run(["apt-cache", "search", "--names-only", "^postgresql-[0-9]+-timescaledb$"])
    return sorted(line.split()[0] for line in found.splitlines() if line.strip())[-1:]


def _redis_says() -> str:
    """What a Redis at the usual address answers to a PING; empty if there is none."""
    try:
        with socket.create_connection(REDIS, SECONDS) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).decode(errors="replace").strip()
    except OSError:
        return ""


def _knows_dynamic_users() -> bool:
    """Whether the names of the daemons' accounts can be found, as PostgreSQL must."""
    try:
        lines = NSSWITCH.read_text().splitlines()
    except OSError:
        return False
    return any(line.startswith("passwd:") and "systemd" in line.split() for line in lines)
