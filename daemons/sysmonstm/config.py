"""Settings: parsed once, from the environment, then an optional TOML file, then defaults, into a frozen object.

A daemon derives its class from `Settings` and names its `env_prefix`. The field `collection_interval` of the prefix
`COLLECTOR_` is COLLECTOR_COLLECTION_INTERVAL in the environment and `collection_interval` in the file. The fields in
`SHARED` mean the same to every daemon and have no prefix.

A field is `name: Annotated[type, About("what it is"), ...] = default`; what it may hold is said by its type, by
annotated_types (Ge, Le, …) and by `Check`. pydantic sees to it, in a child process: its modules take 10 MiB of memory,
a fifth of a collector, and nobody needs them after the start.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NoReturn, TypeVar, get_type_hints
from urllib.parse import urlsplit

from sysmonstm.apart import apart
from sysmonstm.logs import printable

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic.annotated_handlers import GetCoreSchemaHandler
    from pydantic_core.core_schema import CoreSchema

SHARED = frozenset({"redis_url", "timescale_url", "log_level", "log_format"})
SECRET = frozenset({"redis_url", "timescale_url", "webhook_url"})


class UserError(Exception):
    """Something that the user can mend. Printed as one line, exit status 1; no traceback."""


def die(message: str) -> NoReturn:
    """Print one line for the user and leave with status 1."""
    print(printable(message), file=sys.stderr)  # noqa: T201 - before there is a log
    sys.exit(1)


@dataclass(frozen=True, slots=True)
class About:
    """What a setting is, in a sentence for people."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Check:
    """A function that a value of a setting goes through: it gives the value to use, or raises ValueError.

    It sees the value after its type has been seen to; with `before`, as it was given.
    """

    function: Callable[[Any], Any]
    before: bool = False

    def __get_pydantic_core_schema__(self, source: type, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        if self.before:
            return core_schema.no_info_before_validator_function(self.function, handler(source))
        return core_schema.no_info_after_validator_function(self.function, handler(source))


def _split_commas(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _unset_when_empty(value: object) -> object:
    return None if value == "" else value


CommaSeparated = Annotated[tuple[str, ...], Check(_split_commas, before=True)]
"""Several words: `a,b` in the environment, `["a", "b"]` in a file."""

NoneWhenEmpty = Check(_unset_when_empty, before=True)
"""For what may be None: an empty text means that it is not set."""


# libpq's `key=value ...`: a value is quoted, or ends at a space.
_SETTING = r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?!')(?:[^\s\\]|\\.)*)"
_SETTINGS = re.compile(rf"\s*{_SETTING}(?:\s+{_SETTING})*\s*")
# User and password, then hosts, each a name or an address in brackets, and its port.
_HOST = r"(?:\[[0-9A-Fa-f:.%]+\]|[^][:@/?#,\s]*)(?::([0-9]*))?"
_DATABASE_URL = re.compile(
    rf"postgres(?:ql)?://(?:[^@/]*@)?(?P<hosts>{_HOST}(?:,{_HOST})*)(?:/[^?]*)?(?:\?(?P<query>.*))?"
)


def _redis_address(url: str) -> str:
    """An address that redis-py takes, but for what it may say after a question mark."""
    if not _is_redis_address(url):
        raise ValueError(
            "this is no address of a Redis; one looks like redis://localhost:6379 or unix:///run/redis.sock"
        )
    return url


def _is_redis_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port if parts.scheme != "unix" else None
    except ValueError:
        return False
    if parts.scheme == "unix":
        return url.startswith("unix://") and len(parts.path) > 1 and not parts.hostname
    number = parts.path.strip("/")
    return (
        url.startswith(("redis://", "rediss://"))
        and bool(parts.hostname)
        and port != 0
        and (not number or number.isdecimal())
    )


def _database_address(address: str) -> str:
    """An address that libpq takes, but for the names of the settings in it."""
    ports = _ports(address)
    if ports is None or not all(port.isdecimal() and 0 < int(port) < 65536 for port in ports if port):
        raise ValueError(
            "this is no address of a database; one looks like postgresql://user:password@host:5432/database "
            "or host=/run/postgresql dbname=monitor"
        )
    return address


def _ports(address: str) -> list[str] | None:
    """Every port that an address names, perhaps as an empty text; None if it is no address."""
    if "://" in address.split("=")[0]:
        found = _DATABASE_URL.fullmatch(address)
        if not found:
            return None
        words = [word.partition("=") for word in (found["query"] or "").split("&") if word]
        if not all(separator for _, separator, _ in words):
            return None
        hosts = [host.rpartition("]")[2].partition(":")[2] for host in found["hosts"].split(",")]
    elif _SETTINGS.fullmatch(address):
        words = [(name, "=", value.strip("'")) for name, value in re.findall(_SETTING, address)]
        hosts = []
    else:
        return None
    return hosts + [port for name, _, value in words if name == "port" for port in value.split(",")]


@dataclass(frozen=True)
class Settings:
    """What every daemon can be told."""

    env_prefix: ClassVar[str] = ""

    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], About("The least important log lines to write")
    ] = "INFO"
    log_format: Annotated[Literal["json", "text"], About("Log lines as JSON objects, or as text for people")] = "json"

    def check(self) -> None:
        """Look at what the settings point to (a file of rules, say); UserError if it is not good."""


@dataclass(frozen=True)
class RedisSettings(Settings):
    """What daemons that meet on Redis can be told."""

    redis_url: Annotated[str, Check(_redis_address), About("Where current state is kept")] = "redis://localhost:6379"


@dataclass(frozen=True)
class StorageSettings(RedisSettings):
    """What daemons that use both stores can be told."""

    timescale_url: Annotated[str, Check(_database_address), About("Where history is kept")] = (
        "postgresql://monitor:monitor@localhost:5432/monitor"
    )


S = TypeVar("S", bound=Settings)


def env_name(settings: type[Settings], field: str) -> str:
    """The environment variable of a field."""
    return field.upper() if field in SHARED else settings.env_prefix + field.upper()


def fields(settings: type[Settings]) -> list[str]:
    """The names of the settings of a class, in the order in which they are declared."""
    return [field.name for field in dataclasses.fields(settings)]


def about(settings: type[Settings], field: str) -> str:
    """What a setting is, in a sentence."""
    metadata = get_type_hints(settings, include_extras=True)[field].__metadata__
    return next(one.sentence for one in metadata if isinstance(one, About))


def load(settings: type[S], environ: Mapping[str, str], file: Path | None = None) -> S:
    """The settings from `environ`, then the TOML `file`, then defaults; UserError if anything in them is wrong."""
    from pydantic import TypeAdapter, ValidationError

    names = {env_name(settings, field): field for field in fields(settings)}
    values = _read_toml(settings, file) if file else {}
    sources = {field: f"{field} in {file}" for field in values}
    for name, value in environ.items():
        if name in names:
            values[names[name]] = value
            sources[names[name]] = name
        elif settings.env_prefix and name.startswith(settings.env_prefix):
            raise UserError(f"{name} is not a setting{nearest(name, names)}")
    try:
        return TypeAdapter(settings).validate_python(values)
    except ValidationError as error:
        raise UserError(_first_fault(settings, error, sources)) from None


def _read_toml(settings: type[Settings], file: Path) -> dict[str, object]:
    try:
        values = tomllib.loads(file.read_text())
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{file} is not TOML: {error}") from None
    for key in values:
        if key not in fields(settings):
            raise UserError(f"{key} in {file} is not a setting{nearest(key, fields(settings))}")
    return values


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the one that was meant, or all that there are."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; there are {', '.join(sorted(known))}"


def _first_fault(settings: type[Settings], error: ValidationError, sources: Mapping[str, str]) -> str:
    fault = error.errors()[0]
    field = str(fault["loc"][0])
    given = "" if field in SECRET else f" (given: {fault['input']!r})"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{sources.get(field, field)}: {message}{given}; it is: {about(settings, field)}"


def from_command_line(settings: type[S], description: str, argv: Sequence[str] | None = None) -> S:
    """The settings of a daemon started by hand or by systemd.

    Reads `--config FILE`; with `--check-config` says whether the configuration is good and exits 0 or 1.
    """
    started = Path(sys.argv[0])
    # By `python -m` the path says which daemon it is.
    name = f"sysmon-{started.parent.name}" if started.name == "__main__.py" else started.name
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file of settings")
    parser.add_argument("--check-config", action="store_true", help="say whether the settings are good, and exit")
    arguments = parser.parse_args(argv)
    try:
        loaded = apart(lambda: _checked(load(settings, os.environ, arguments.config)), expected=UserError)
    except UserError as error:
        die(f"{parser.prog}: {error}")
    if arguments.check_config:
        print("the configuration is good")  # noqa: T201 - what the user asked for
        sys.exit(0)
    return loaded


def _checked(settings: S) -> S:
    settings.check()
    return settings
