"""Settings: parsed into a frozen object, from the environment, then credentials, then a TOML file, then defaults.

A daemon derives its class from `Settings` and names its `env_prefix`. The field `collection_interval` of the prefix
`COLLECTOR_` is COLLECTOR_COLLECTION_INTERVAL in the environment and `collection_interval` in the file. The fields in
`SHARED` mean the same to every daemon and have no prefix. Those in `SECRET` may also come as files of their own:
$CREDENTIALS_DIRECTORY/<field>, as systemd's LoadCredential= hands them over. A path marked `CREDENTIAL` that nobody
sets is that of such a file, named like the environment variable in lower case, if there is more than blanks in it.

A field is `name: Annotated[type, About("what it is"), ...] = default`; what it may hold is said by its type, by
annotated_types (Ge, Le, …) and by `Check`; `RESTART` marks what a running daemon cannot change. pydantic sees to it, in
a child process: its modules take 10 MiB of memory, a fifth of a collector, and nobody needs them in between.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NoReturn, TypeVar, get_type_hints

from sysmonstm import toml_text
from sysmonstm.logs import refuse
from sysmonstm.store_addresses import database_address, redis_address
from sysmonstm.toml_text import TomlError

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic.annotated_handlers import GetCoreSchemaHandler
    from pydantic_core.core_schema import CoreSchema

SHARED = frozenset({"redis_url", "timescale_url", "log_level", "log_format"})
SECRET = frozenset({"redis_url", "timescale_url", "webhook_url"})
CREDENTIALS = "CREDENTIALS_DIRECTORY"


class UserError(Exception):
    """Something that the user can mend. Printed as one line, exit status 1; no traceback."""


def die(message: str) -> NoReturn:
    """Print one line for the user, or write it into the journal, and leave with status 1."""
    refuse(message)
    sys.exit(1)


@dataclass(frozen=True, slots=True)
class About:
    """What a setting is, in a sentence for people."""

    sentence: str


@dataclass(frozen=True, slots=True)
class Restart:
    """Marks a setting that a running daemon cannot change."""


RESTART = Restart()


@dataclass(frozen=True, slots=True)
class Credential:
    """Marks a setting that is the path of a file, which may also come as a credential."""


CREDENTIAL = Credential()


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

    redis_url: Annotated[str, RESTART, Check(redis_address), About("Where current state is kept")] = (
        "redis://localhost:6379"
    )


@dataclass(frozen=True)
class StorageSettings(RedisSettings):
    """What daemons that use both stores can be told."""

    timescale_url: Annotated[str, RESTART, Check(database_address), About("Where history is kept")] = (
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


def fixed(settings: type[Settings]) -> frozenset[str]:
    """The names of the settings that a running daemon cannot change."""
    return frozenset(field for field in fields(settings) if _is_marked(settings, field, RESTART))


def credential_files(settings: type[Settings]) -> dict[str, str]:
    """The settings whose files may be credentials: the field, and the name of the credential."""
    marked = (field for field in fields(settings) if _is_marked(settings, field, CREDENTIAL))
    return {field: env_name(settings, field).lower() for field in marked}


def _is_marked(settings: type[Settings], field: str, mark: Restart | Credential) -> bool:
    return mark in get_type_hints(settings, include_extras=True)[field].__metadata__


def load(settings: type[S], environ: Mapping[str, str], file: Path | None = None) -> S:
    """The settings from `environ`, the credentials that it names, the TOML `file` and defaults, in this order.

    UserError if anything in them is wrong.
    """
    from pydantic import TypeAdapter, ValidationError

    names = {env_name(settings, field): field for field in fields(settings)}
    values: dict[str, object] = dict(_credential_paths(settings, environ))
    told = _read_toml(settings, file) if file else {}
    values |= told
    sources = {field: f"{field} in {file}" for field in told}
    for field, secret in _credentials(settings, environ).items():
        values[field] = secret
        sources[field] = f"the credential {field}"
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


def _credentials(settings: type[Settings], environ: Mapping[str, str]) -> dict[str, str]:
    """The secrets that lie in files; one without anything but blanks is not given."""
    directory = environ.get(CREDENTIALS)
    if not directory:
        return {}
    secrets = {field: _read_credential(Path(directory) / field) for field in fields(settings) if field in SECRET}
    return {field: secret for field, secret in secrets.items() if secret}


def _credential_paths(settings: type[Settings], environ: Mapping[str, str]) -> dict[str, Path]:
    """The paths of the credentials that are given, of those that are used as files."""
    directory = environ.get(CREDENTIALS)
    if not directory:
        return {}
    paths = {field: Path(directory) / name for field, name in credential_files(settings).items()}
    return {field: path for field, path in paths.items() if _read_credential(path)}


def _read_credential(file: Path) -> str:
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise UserError(f"the credential {file.name} cannot be read: {error.strerror} ({file})") from None
    except UnicodeDecodeError:
        raise UserError(f"the credential {file.name} is no text ({file})") from None


def _read_toml(settings: type[Settings], file: Path) -> dict[str, object]:
    try:
        values = toml_text.parse(file.read_text())
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not TOML: {error}") from None
    except TomlError as error:
        raise UserError(f"{file} {error}") from None
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


def loaded_and_checked(settings: type[S], file: Path | None) -> S:
    """The settings of this process, and what they point to is good; UserError if not."""
    loaded = load(settings, os.environ, file)
    loaded.check()
    return loaded
