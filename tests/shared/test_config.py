from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import pytest
from annotated_types import Ge
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from sysmonstm import bus
from sysmonstm.config import About, CommaSeparated, StorageSettings, UserError, fixed, load, nearest

SECRET = "hunter2"


@dataclass(frozen=True)
class Settings(StorageSettings):
    env_prefix: ClassVar[str] = "TEST_"

    size: Annotated[int, Ge(1), About("How large it is")] = 1
    words: Annotated[CommaSeparated, About("Several words")] = ()


def toml(directory: Path, text: str) -> Path:
    file = directory / "settings.toml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("environ", "text", "size"),
    [
        ({}, "", 1),
        ({}, "size = 2", 2),
        ({"TEST_SIZE": "3"}, "", 3),
        ({"TEST_SIZE": "3"}, "size = 2", 3),
    ],
)
def test_the_environment_comes_before_the_file_and_the_file_before_the_default(
    tmp_path: Path, environ: dict[str, str], text: str, size: int
) -> None:
    assert load(Settings, environ, toml(tmp_path, text)).size == size


def test_a_shared_setting_has_no_prefix_and_others_variables_are_not_ours() -> None:
    settings = load(Settings, {"LOG_LEVEL": "ERROR", "SIZE": "9", "GATEWAY_NONSENSE": "1", "PATH": "/bin"})
    assert (settings.log_level, settings.size) == ("ERROR", 1)


def test_several_words_are_parted_by_commas_in_the_environment_and_a_list_in_a_file(tmp_path: Path) -> None:
    assert load(Settings, {"TEST_WORDS": " a, b,,"}).words == ("a", "b")
    assert load(Settings, {}, toml(tmp_path, 'words = ["a", "b"]')).words == ("a", "b")


@pytest.mark.parametrize(
    ("environ", "text", "message"),
    [
        ({"TEST_SIZ": "1"}, "", "TEST_SIZ is not a setting; did you mean TEST_SIZE?"),
        (
            {"TEST_QUARTZ_XYLOPHONE": "1"},
            "",
            "is not a setting; there are LOG_FORMAT, LOG_LEVEL, REDIS_URL, TEST_",
        ),
        ({}, "siez = 1", "is not a setting; did you mean size?"),
        ({}, "size = ", "is not TOML"),
        ({}, f"size = {'9' * 5000}", "has a word of more than 300 characters (at line 1)"),
        ({}, "size = " + "[" * 5000, "is nested too deeply"),
        (
            {"TEST_SIZE": "0"},
            "",
            "TEST_SIZE: Input should be greater than or equal to 1 (given: '0'); it is: How large",
        ),
        ({}, "size = 0", "size in "),
        ({"LOG_LEVEL": "loud"}, "", "LOG_LEVEL: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ],
)
def test_what_is_wrong_is_one_line_with_a_hint(
    tmp_path: Path, environ: dict[str, str], text: str, message: str
) -> None:
    with pytest.raises(UserError) as error:
        load(Settings, environ, toml(tmp_path, text))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "settings.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UserError, match=r"settings\.toml (cannot be read: No such file|is not TOML)"):
        load(Settings, {}, file)


@pytest.mark.parametrize("field", ["redis_url", "timescale_url"])
def test_a_secret_of_the_wrong_type_is_not_in_the_message(tmp_path: Path, field: str) -> None:
    with pytest.raises(UserError, match=field) as error:
        load(Settings, {}, toml(tmp_path, f'{field} = ["{SECRET}"]'))
    assert SECRET not in str(error.value)


def credentials(directory: Path, **secrets: str) -> dict[str, str]:
    """The environment of a daemon that has these."""
    for field, secret in secrets.items():
        (directory / field).write_text(secret)
    return {"CREDENTIALS_DIRECTORY": str(directory)}


@pytest.mark.parametrize(
    ("environ", "secret", "text", "url"),
    [
        ({}, "redis://credential\n", 'redis_url = "redis://file"', "redis://credential"),
        ({"REDIS_URL": "redis://environment"}, "redis://credential", "", "redis://environment"),
        ({}, "", 'redis_url = "redis://file"', "redis://file"),
        ({}, "\n", 'redis_url = "redis://file"', "redis://file"),
        ({}, "\n", "", "redis://localhost:6379"),
    ],
)
def test_a_credential_comes_after_the_environment_and_before_the_file_unless_it_is_empty(
    tmp_path: Path, environ: dict[str, str], secret: str, text: str, url: str
) -> None:
    given = environ | credentials(tmp_path, redis_url=secret)
    assert load(Settings, given, toml(tmp_path, text)).redis_url == url


def test_only_a_secret_comes_from_a_credential_and_an_absent_one_is_not_given(tmp_path: Path) -> None:
    settings = load(Settings, credentials(tmp_path, size="9", log_level="ERROR", webhook_url="x"))
    assert settings == Settings()


def test_a_credential_that_is_wrong_is_named_and_not_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"^the credential redis_url: this is no address of a Redis") as error:
        load(Settings, credentials(tmp_path, redis_url=SECRET))
    assert SECRET not in str(error.value)


def test_a_credential_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "redis_url").mkdir()
    with pytest.raises(UserError, match=r"^the credential redis_url cannot be read: Is a directory"):
        load(Settings, {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    (tmp_path / "redis_url").rmdir()
    (tmp_path / "redis_url").write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"^the credential redis_url is no text"):
        load(Settings, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


def test_what_needs_a_restart_is_marked() -> None:
    assert fixed(Settings) == {"redis_url", "timescale_url"}


def test_a_bad_option_of_redis_is_refused_without_the_password() -> None:
    with pytest.raises(UserError, match="REDIS_URL") as error:
        bus.connect(f"redis://:{SECRET}@hub?db={SECRET}")
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:6379",
        "redis://hub",
        "rediss://user:p%40ss@[::1]:6380/2?health_check_interval=3",
        "unix:///path/redis.sock",
        "unix://user:pw@/path/redis.sock?db=1",
    ],
)
def test_every_address_of_redis_passes(url: str) -> None:
    assert load(Settings, {"REDIS_URL": url}).redis_url == url
    bus.connect(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        SECRET,
        f"http://:{SECRET}@hub",
        f"rediss//:{SECRET}@hub",
        f"redis:{SECRET}@hub",
        f"redis://:{SECRET}/x@hub:1",
        f"redis://hub:{SECRET}",
        f"redis://:{SECRET}@hub:70000",
        f"redis://:{SECRET}@hub:0",
        f"redis://:{SECRET}@hub/name",
        f"redis://:{SECRET}@:6379",
        f"unix://:{SECRET}@",
        f"unix://{SECRET}",
    ],
)
def test_what_is_no_address_of_redis_is_refused_at_the_start_without_its_password(url: str) -> None:
    with pytest.raises(UserError, match=r"REDIS_URL: .*redis://localhost:6379") as error:
        load(Settings, {"REDIS_URL": url})
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://monitor:monitor@localhost:5432/monitor",
        "postgres://user:p%40ss:word@[::1]:5432/monitor?sslmode=require",
        "postgresql://one:5432,two:5433,three/monitor?target_session_attrs=read-write",
        "postgresql:///monitor?host=%2Fvar%2Ftmp%2Fx&user=monitor",
        "postgresql://",
        "postgresql://user:a?b#c@hub/db",
        "postgresql://%2Frun%2Fpostgresql/monitor",
        "host=/run/postgresql dbname=monitor",
        "host = 'a b' port=5432  password='it\\'s=' ",
        "dbname=monitor password=a\\ b://c",
    ],
)
def test_every_address_of_a_database_passes(url: str) -> None:
    assert load(Settings, {"TIMESCALE_URL": url}).timescale_url == url
    conninfo_to_dict(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        SECRET,
        "nonsense :",
        f"mysql://u:{SECRET}@hub/db",
        f"postgresql:/u:{SECRET}@hub/db",
        f"postgresql://u:{SECRET}@hub:port/db",
        f"postgresql://u:{SECRET}/x@hub:5432/db",
        f"postgresql://u:{SECRET}@hub:70000/db",
        f"postgresql://u:{SECRET}@[::1/db",
        f"postgresql://u:{SECRET}@hub/db?sslmode",
        f"postgresql://u:{SECRET}@/db?port=many",
        f"host=hub port=many password={SECRET}",
        f"host=hub password='{SECRET}",
        f"host=hub {SECRET}",
    ],
)
def test_what_is_no_address_of_a_database_is_refused_at_the_start_without_its_password(url: str) -> None:
    with pytest.raises(UserError, match=r"TIMESCALE_URL: .*postgresql://user:password@host:5432/database") as error:
        load(Settings, {"TIMESCALE_URL": url})
    assert SECRET not in str(error.value)


@given(st.text("redis:/@[]1?#%é\n"))
def test_what_passes_as_an_address_of_redis_can_be_connected_to(rest: str) -> None:
    url = "redis://" + rest
    try:
        load(Settings, {"REDIS_URL": url})
    except UserError:
        return
    try:
        bus.connect(url)
    except UserError:
        assert "?" in url


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        load(Settings, {}).size = 2  # type: ignore[misc]  # that it cannot be is what is tested


@given(st.text(), st.lists(st.text(min_size=1), min_size=1))
def test_every_unknown_name_gets_a_hint_that_exists(name: str, known: list[str]) -> None:
    hint = nearest(name, known)
    assert any(f"; did you mean {one}?" == hint for one in known) or hint == f"; there are {', '.join(sorted(known))}"


def check_config(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("AGGREGATOR_", "LOG_"))}
    return subprocess.run(
        [sys.executable, "-m", "sysmonstm.aggregatord", "--check-config", *arguments],
        env=clean | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_check_config_exits_0_where_the_settings_are_good() -> None:
    result = check_config(AGGREGATOR_WINDOW="4")
    assert (result.returncode, result.stdout, result.stderr) == (0, "the configuration is good\n", "")


def test_check_config_exits_1_with_one_line_where_they_are_not(tmp_path: Path) -> None:
    """One line, whatever the file holds."""
    hostile = toml(tmp_path, '"window\\n\\u001b[2J" = 1')
    for result in (
        check_config(AGGREGATOR_WINDOW="none"),
        check_config(AGGREGATOR_LISTEN="50051"),
        check_config("--config", str(tmp_path / "missing.toml")),
        check_config("--config", str(hostile)),
    ):
        assert (result.returncode, result.stdout) == (1, "")
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr.removesuffix("\n").isprintable()


def test_a_started_daemon_has_not_loaded_what_looked_at_its_settings() -> None:
    script = (
        "import sys; from sysmonstm import command_line; from sysmonstm.collectord.settings import CollectorSettings;"
        "import sysmonstm.collectord.__main__;"
        "settings = command_line.from_command_line(CollectorSettings, '', []).settings;"
        "print(settings.collection_interval, 'pydantic' in sys.modules)"
    )
    environ = os.environ | {"COLLECTOR_COLLECTION_INTERVAL": "7"}
    result = subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True)
    assert result.stdout == "7.0 False\n"


def test_a_fault_in_looking_at_the_settings_is_shown_and_ends_the_start() -> None:
    script = (
        "from dataclasses import dataclass; from sysmonstm import command_line, config\n"
        "@dataclass(frozen=True)\n"
        "class Broken(config.Settings):\n"
        "    def check(self): raise ZeroDivisionError('a defect')\n"
        "command_line.from_command_line(Broken, '', [])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "ZeroDivisionError: a defect" in result.stderr
