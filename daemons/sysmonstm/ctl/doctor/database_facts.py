"""Asks a PostgreSQL what the doctor wants to know of it, as whoever runs this: its address comes on standard input.

A process of its own, since a local PostgreSQL knows people by their accounts, and root is none of the daemons.
"""

from __future__ import annotations

import json
import sys

import psycopg

SECONDS = 5
_SERVER = """
SELECT current_setting('server_version'), current_setting('timescaledb.license', true),
    (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'), pg_is_in_recovery(),
    current_setting('synchronous_commit'), current_setting('fsync'), to_regclass('schema_migrations') IS NOT NULL,
    pg_database_size(current_database()), has_schema_privilege('public', 'CREATE'), current_user
"""
_DIRECTORY = """
SELECT CASE WHEN pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') THEN current_setting('data_directory') END
"""
_SCHEMA = "SELECT max(version) FROM schema_migrations"
_LACKS = """
SELECT wanted.name || ' ' || wanted.privilege FROM unnest(%s::text[], %s::text[]) AS wanted (name, privilege)
WHERE to_regclass(wanted.name) IS NOT NULL AND NOT has_table_privilege(wanted.name, wanted.privilege)
"""
# Of each daemon: what it cannot do without.
RIGHTS = {
    "aggregatord": (("frames", "INSERT"), ("streams", "UPDATE"), ("events", "INSERT"), ("minutes", "DELETE")),
    "gatewayd": (("frames", "SELECT"), ("events", "SELECT"), ("alert_states", "SELECT")),
    "alertd": (("alert_states", "INSERT"), ("events", "INSERT"), ("notifications", "UPDATE")),
}


def facts(address: str, daemon: str) -> dict[str, object]:
    """What a daemon meets there; `error` alone where it cannot even connect."""
    try:
        with psycopg.connect(address, connect_timeout=SECONDS, options="-c statement_timeout=5000") as connection:
            return _asked(connection, daemon)
    except psycopg.Error as error:
        return {"error": str(error).strip().split("\n", 1)[0]}


def _asked(connection: psycopg.Connection, daemon: str) -> dict[str, object]:
    row = connection.execute(_SERVER).fetchone()
    assert row is not None
    names = ("server", "license", "timescaledb", "read_only", "synchronous_commit", "fsync", "has_schema", "bytes")
    found: dict[str, object] = dict(zip((*names, "may_create", "account"), row, strict=True))
    found["directory"] = _one(connection, _DIRECTORY)
    found["schema"] = _one(connection, _SCHEMA) if found["has_schema"] else None
    columns = [list(column) for column in zip(*RIGHTS[daemon], strict=True)]
    found["lacks"] = [name for (name,) in connection.execute(_LACKS, columns)]
    return found


def _one(connection: psycopg.Connection, query: str) -> object:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


if __name__ == "__main__":
    print(json.dumps(facts(sys.stdin.read(), sys.argv[1])))
