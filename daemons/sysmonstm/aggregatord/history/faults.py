"""What to make of an error of the database: do the transaction again, look for what it refuses, or wait for it."""

from __future__ import annotations

from enum import Enum, auto

import psycopg

from sysmonstm.logs import printable

MOST_REASON_CHARACTERS = 200

_SERIALIZATION_FAILURE = "40001"
_DEADLOCK_DETECTED = "40P01"
_LOCK_NOT_AVAILABLE = "55P03"
_FOREIGN_KEY_VIOLATION = "23503"
_UNIQUE_VIOLATION = "23505"
_CROSSED = (_SERIALIZATION_FAILURE, _DEADLOCK_DETECTED, _LOCK_NOT_AVAILABLE, _UNIQUE_VIOLATION)
# Data exception, integrity constraint, check option, program limit (a row that is too big), an exception that a trigger
# raises.
_REFUSALS = ("22", "23", "44", "54", "P0")
# Two writers that make the same chunk, or one that is dropped meanwhile: undefined or duplicate table, undefined or
# duplicate object, internal error ("tuple concurrently updated", "could not open relation with OID").
_CHUNK_RACES = ("42P01", "42P07", "42704", "42710", "XX000")
_CHUNK_WORDS = ("_timescaledb_", "_hyper_", "chunk", "concurrently", "with oid")


class VanishedError(Exception):
    """A machine or stream that was known is no longer there: somebody had the machine forgotten."""


class Verdict(Enum):
    """What an error asks for."""

    AGAIN = auto()  # the same transaction, at once: others were in its way
    FORGOTTEN = auto()  # the same with names looked up anew
    REFUSED = auto()  # something in it is not taken, however often it is tried
    AWAY = auto()  # the database, or its schema, is not fit for use now
    BUG = auto()  # psycopg itself says that it is used wrongly


def verdict(error: psycopg.Error | VanishedError) -> Verdict:
    """What the error of a transaction asks for."""
    if isinstance(error, VanishedError):
        return Verdict.FORGOTTEN
    state = error.sqlstate
    if state is None:
        # Not from the server: values that psycopg cannot send, or a connection that broke.
        if isinstance(error, psycopg.DataError):
            return Verdict.REFUSED
        return Verdict.BUG if isinstance(error, psycopg.ProgrammingError) else Verdict.AWAY
    if state == _FOREIGN_KEY_VIOLATION:
        return Verdict.FORGOTTEN
    if state in _CROSSED or (state in _CHUNK_RACES and _is_of_a_chunk(error)):
        return Verdict.AGAIN
    return Verdict.REFUSED if state.startswith(_REFUSALS) else Verdict.AWAY


def verdict_in_the_end(error: psycopg.Error | VanishedError) -> Verdict:
    """The same for a transaction that was tried often enough."""
    first = verdict(error)
    if first not in (Verdict.AGAIN, Verdict.FORGOTTEN):
        return first
    state = None if isinstance(error, VanishedError) else error.sqlstate
    return Verdict.REFUSED if state and state.startswith(_REFUSALS) else Verdict.AWAY


def reason(error: Exception) -> str:
    """The first line of what the database says, fit for people's eyes and a terminal."""
    text = str(error).strip().split("\n", 1)[0] or type(error).__name__
    return printable(text)[:MOST_REASON_CHARACTERS]


def _is_of_a_chunk(error: psycopg.Error) -> bool:
    text = f"{error} {error.diag.schema_name or ''}".lower()
    return any(word in text for word in _CHUNK_WORDS)
