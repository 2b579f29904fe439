"""No log line says a secret, whoever wrote it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm import logs, redaction
from sysmonstm.store_addresses import database_address
from tests.shared.test_logs import written

DATABASE = "postgresql://monitor:pa55-w%2Ford@db:5432/monitor?application_name=x"
WEBHOOK = "https://hooks.example.org/services/T012/B345/abcdefghijkl?key=xyzzy-plugh"
PASSWORDS = ("pa55-w/ord", "pa55-w%2Ford")


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(redaction, "_known", ())
    redaction.conceal([DATABASE, WEBHOOK, None, "", "host=db password='two words' user=x"])
    yield


@pytest.mark.parametrize(
    "text",
    [
        DATABASE,
        WEBHOOK,
        f"cannot connect to {DATABASE}: refused",
        "the password pa55-w/ord was not taken",
        "two words is wrong",
        "POST /services/T012/B345/abcdefghijkl?key=xyzzy-plugh: 404",
        f"quoted {quote(WEBHOOK, safe='')}",
    ],
)
def test_known_secrets_are_left_out(text: str) -> None:
    found = redaction.redacted(text)
    assert redaction.CONCEALED in found
    for secret in (*PASSWORDS, "two words", "abcdefghijkl", "xyzzy-plugh"):
        assert secret not in found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("redis://:hunter2@cache:6379/0", "redis://[concealed]@cache:6379/0"),
        ("at amqp+ssl://u:p@ss@h/x, twice", "at amqp+ssl://[concealed]@h/x, twice"),
        ("http://u@h", "http://[concealed]@h"),
        ("host=h password=hunter2 dbname=x", "host=h password=[concealed] dbname=x"),
        ("password = 'a \\' b' x", "password = [concealed] x"),
        ('{"token": "abc", "n": 1}', '{"token": [concealed], "n": 1}'),
        ("PGPASSWORD=x; y", "PGPASSWORD=[concealed]; y"),
        ("Authorization: Bearer abc.def", "Authorization: [concealed]"),
        ("api_key=abc&x=1", "api_key=[concealed]&x=1"),
    ],
)
def test_what_looks_like_a_secret_is_left_out(text: str, found: str) -> None:
    assert redaction.redacted(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "redis://cache:6379/0",
        "http://hub:8000/api/machines?x=a@b",
        "mail@example.org said http://x/",
        "password authentication failed for user",
        "100 % of :// and @",
        "monitor is the monitor of monitor",
    ],
)
def test_the_rest_stays(text: str) -> None:
    redaction.conceal(["postgresql://monitor:monitor@localhost/monitor", "redis://x:abc@h"])
    assert redaction.redacted(text) == text


@pytest.mark.parametrize("password", ["pa#secret", "pa?secret", "pa/secret", "p@a/secret", "12345/secret", "[secret"])
@pytest.mark.parametrize("rest", ["h", "h:5432/monitor?application_name=a@b", "[::1]:5432,h2/x"])
def test_a_password_may_hold_what_ends_that_part_of_an_address(password: str, rest: str) -> None:
    address = f"postgresql://monitor:{password}@{rest}"
    redaction.conceal([address])
    for text in (f"the password {password} was not taken", f"cannot use {address}", f"as {password!r}"):
        assert "secret" not in redaction.redacted(text)


@pytest.mark.parametrize("wrong", ["nonsense", "postgresql://h:port/x"])
def test_the_example_of_a_hint_stays(wrong: str) -> None:
    with pytest.raises(ValueError) as fault:
        database_address(wrong)
    said = redaction.redacted(str(fault.value))
    assert "postgresql://user:password@host:5432/database" in said
    assert redaction.redacted("at redis://user:password@cache") == "at redis://[concealed]@cache"


def test_secrets_from_before_a_reload_stay_concealed() -> None:
    redaction.conceal(["redis://x:another-one@h"])
    assert redaction.redacted("another-one pa55-w/ord") == "[concealed] [concealed]"


@given(st.text())
def test_nothing_breaks_it(text: str) -> None:
    redaction.redacted(text)
    redaction.secrets_in(text)


@given(st.text(min_size=6).filter(lambda one: one not in redaction.CONCEALED and redaction.CONCEALED not in one))
def test_a_password_is_never_written_whatever_it_is(password: str) -> None:
    url = f"redis://someone:{quote(password, safe='')}@cache:6379"
    redaction.conceal([url])
    for style in ("json", "text"):
        with written(style) as output:
            logs.logger("x").error(
                "a.b", f"refused: {password} by {url}", it=[{"deep": password}], error=ValueError(url)
            )
        line = output.getvalue()
        said = json.dumps(json.loads(line), ensure_ascii=False) if style == "json" else line
        # What is no part of the line without it, either.
        for form in (password, quote(password, safe="")):
            assert form not in said or form in _without(style)


def _without(style: str) -> str:
    with written(style) as output:
        concealed = redaction.CONCEALED
        text = f"refused: {concealed} by redis://{concealed}@cache:6379"
        logs.logger("x").error("a.b", text, it=[{"deep": concealed}], error=text)
    return output.getvalue()


@pytest.mark.parametrize("name", ["password", "webhook_token", "Secret", "api_key", "pwd"])
@pytest.mark.parametrize("style", ["json", "text"])
def test_a_field_of_a_secret_name_is_never_written(style: str, name: str) -> None:
    with written(style) as output:
        logs.logger("x").info("a.b", "c", **{name: "hunter2"}, more={name: ["hunter2"]})
    assert "hunter2" not in output.getvalue()


@pytest.mark.parametrize("style", ["json", "text"])
def test_tracebacks_and_lines_of_libraries_have_no_secrets(style: str) -> None:
    with written(style) as output:
        try:
            int(DATABASE)
        except ValueError:
            logging.getLogger("psycopg").exception("lost %s", WEBHOOK)
    assert "Traceback" in output.getvalue()
    assert "pa55" not in output.getvalue()
    assert "abcdefghijkl" not in output.getvalue()


HOOKS = {
    "daemon.crashed": "raise ValueError('redis://:hunter2@h \\x1b[2J')",
    "thread.crashed": """
import threading
def run(): raise ValueError('redis://:hunter2@h \\x1b[2J')
thread = threading.Thread(target=run)
thread.start()
thread.join()
""",
    "error.unraised": """
class It:
    def __del__(self): raise ValueError('redis://:hunter2@h \\x1b[2J')
del [It()][:]
""",
    "library": "import warnings; warnings.warn('redis://:hunter2@h \\x1b[2J')",
}


@pytest.mark.parametrize("event", HOOKS)
@pytest.mark.parametrize("style", ["json", "text"])
def test_what_the_interpreter_says_goes_the_same_way(style: str, event: str) -> None:
    code = f"from sysmonstm import logs; logs.setup('INFO', '{style}')\n{HOOKS[event]}"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    lines = result.stderr.removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in lines)
    assert event in lines[0]
    assert "hunter2" not in result.stderr
    if style == "json":
        assert [json.loads(line)["event"] for line in lines] == [event]


def test_a_value_that_cannot_be_shown_does_not_stop_the_line() -> None:
    class Odd:
        def __str__(self) -> str:
            raise RuntimeError("no")

    with written("json") as output:
        logs.logger("x").info("a.b", "c", it=Odd())
        logging.getLogger("y").error("wrong %d", "arguments")
    first, second = (json.loads(line) for line in output.getvalue().splitlines())
    assert first["fields"] == {"it": "<Odd that cannot be shown>"}
    assert "arguments" in second["message"]


def test_a_long_line_is_cut_and_says_so() -> None:
    with written("json") as output:
        logs.logger("x").info("a.b", "c", first=1, it="\U0001f600" * 50_000, last="y")
    line = output.getvalue()
    assert len(line) < 48 * 1024
    fields = json.loads(line)["fields"]
    assert (fields["first"], fields["last"], fields["cut"]) == (1, "y", True)


def test_refusing_to_start_is_one_line_for_people() -> None:
    code = "from sysmonstm import config; config.die('redis://:hunter2@h is\\nno address')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (1, "redis://[concealed]@h is\\nno address\n")
