"""Whether the database can be reached by each daemon, has its schema and room, and keeps what it acknowledges."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from sysmonstm.ctl.doctor import asking
from sysmonstm.ctl.doctor.disk import judge_room, room
from sysmonstm.ctl.doctor.finding import Finding, Verdict, fail, ok, unseen, warn
from sysmonstm.ctl.doctor.place import Daemon, Place
from sysmonstm.resources import resource

# Those that use it; the first owns the tables.
USERS = ("aggregatord", "gatewayd", "alertd")
RIGHTS_FIX = "sysmonctl install --role hub"
SCHEMA_FIX = "systemctl restart sysmon-aggregatord"
EDITIONS = {"apache": "Apache edition", "timescale": "Community edition"}
# What is said where no server serves anybody.
AWAY = ("timeout", "refused", "No such file", "starting up")
# What PostgreSQL says to somebody who is not who he says.
NOT_THIS_ACCOUNT = ("Peer authentication failed", "no password supplied", "password authentication failed")


def check(place: Place) -> list[Finding]:
    """Ask as each of the daemons."""
    found: list[Finding] = []
    for name in USERS:
        address = place.text(name, "timescale_url") if (daemon := place.daemon(name)) else ""
        # A service that does not run has no account to ask as; that it does not run is said elsewhere.
        if daemon is None or not address or (place.by_systemd and not daemon.pid):
            continue
        facts = _ask(place, daemon, address)
        asked_as_it = place.root or not place.by_systemd
        found += judge(name, facts, newest_schema(), place.look("postgresql"), asked_as_it=asked_as_it)
        if facts and any(words in str(facts.get("error")) for words in AWAY):
            # The others would wait as long, to hear the same.
            break
    users = [one for one in place.daemons if one.name in USERS and (one.pid or not place.by_systemd)]
    if users and not found:
        return [unseen("where the database is could not be found out", "ask again as root: sudo sysmonctl doctor")]
    amiss = [one for one in found if one.verdict is not Verdict.OK]
    # What is wrong with the server is said by each: once is enough.
    return list(dict.fromkeys(amiss)) or found[:1]


def newest_schema() -> int:
    """Number of the newest migration of this installation."""
    return max(int(file.name[:4]) for file in resource("sql").glob("[0-9][0-9][0-9][0-9]_*.sql"))


def _ask(place: Place, daemon: Daemon, address: str) -> Mapping[str, object] | None:
    account = f"sysmon-{daemon.name}" if place.root and place.by_systemd and daemon.pid else None
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    command = [sys.executable, "-m", "sysmonstm.ctl.doctor.database_facts", daemon.name]
    said = asking.command(command, environ=kept, stdin=address, account=account)
    if said is None or not said.succeeded:
        return None
    facts = json.loads(said.output)
    return facts if isinstance(facts, dict) else None


def judge(
    daemon: str, facts: Mapping[str, object] | None, wanted: int, look: str, *, asked_as_it: bool
) -> list[Finding]:
    """What is to be said of what a daemon meets; `wanted` is the schema that this installation needs.

    `look` is the command to look at the server.
    """
    if facts is None:
        return [unseen(f"the database could not be asked as {daemon}", "ask again as root: sudo sysmonctl doctor")]
    if error := facts.get("error"):
        return [_unreached(daemon, str(error), look, asked_as_it)]
    found = [*_judge_schema(facts, wanted), *_judge_safety(facts)]
    lacks = facts.get("lacks")
    if isinstance(lacks, list) and lacks:
        found.append(fail(f"{daemon} lacks rights on tables: {', '.join(map(str, lacks))}", RIGHTS_FIX))
    if daemon == USERS[0] and not facts.get("may_create"):
        found.append(fail(f"{facts.get('account')} may make no tables in the schema public", RIGHTS_FIX))
    if (directory := facts.get("directory")) and (left := room(Path(str(directory)))):
        found += [one for one in judge_room([left]) if one.verdict is not Verdict.OK]
    return found or [ok(f"the database answers: {_edition(facts)}, schema {wanted:04}")]


def _unreached(daemon: str, error: str, look: str, asked_as_it: bool) -> Finding:
    if not asked_as_it and any(words in error for words in NOT_THIS_ACCOUNT):
        return unseen("the database knows the daemons only", "ask again as root: sudo sysmonctl doctor")
    return fail(f"{daemon} cannot use the database: {error}", look)


def _judge_schema(facts: Mapping[str, object], wanted: int) -> list[Finding]:
    schema = facts.get("schema")
    if not isinstance(schema, int):
        return [fail("the database has no tables yet; sysmon-aggregatord makes them as it starts", SCHEMA_FIX)]
    if schema < wanted:
        return [fail(f"the database has schema {schema:04}, and this version needs {wanted:04}", SCHEMA_FIX)]
    if schema > wanted:
        newer = f"the database has schema {schema:04}, of a newer version than this one, which knows {wanted:04}"
        return [fail(newer, "install the newer version again: pip install --upgrade sysmonstm")]
    return []


def _judge_safety(facts: Mapping[str, object]) -> list[Finding]:
    found: list[Finding] = []
    if facts.get("read_only"):
        found.append(fail("the database is a standby and takes no samples", "name its primary in timescale_url"))
    for name in ("synchronous_commit", "fsync"):
        if facts.get(name) == "off":
            sentence = f"{name} is off: a crash of the database loses samples that were acknowledged"
            found.append(warn(sentence, f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();"))
    return found


def _edition(facts: Mapping[str, object]) -> str:
    server = f"PostgreSQL {str(facts.get('server')).split()[0]}"
    if not facts.get("timescaledb"):
        return f"{server} without TimescaleDB"
    edition = EDITIONS.get(str(facts.get("license")), f"{facts.get('license')} edition")
    return f"TimescaleDB {facts.get('timescaledb')}, {edition}, on {server}"
