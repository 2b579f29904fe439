from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm import logs

# Hostile on purpose: every code point, surrogates too, and what terminals obey.
texts = st.one_of(
    st.text(alphabet=st.characters(exclude_categories=())),
    st.sampled_from(
        [
            "\x1b[2J\x1b]0;x\x07",
            "\x7f",
            '"}\n{"level":"error"}',
            "a\r\nb",
            "\u2028\u2029\x85",
            "\u202e",
            "\ud800",
            "%s%n",
        ]
    ),
)


@contextmanager
def written(style: str) -> Iterator[io.StringIO]:
    """What is logged meanwhile."""
    root, before = logging.getLogger(), sys.stderr
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    handlers, level = root.handlers[:], root.level
    sys.stderr = output = io.StringIO()
    try:
        logs.setup("DEBUG", style)
        yield output
    finally:
        sys.stderr = before
        sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
        logging.captureWarnings(False)
        root.handlers[:] = handlers
        root.setLevel(level)


log = logs.logger("sysmonstm.test")


def strictly(line: str) -> dict[str, object]:
    def refuse(word: str) -> float:
        raise AssertionError(f"{word} is not JSON")

    parsed: dict[str, object] = json.loads(line, parse_constant=refuse)
    return parsed


def test_a_json_line_has_time_level_event_message_and_fields() -> None:
    with written("json") as output:
        log.warning("machine.silent", "web1 is silent", machine="web1", seconds=12.5)
    line = strictly(output.getvalue())
    assert str(line.pop("time")).endswith("+00:00")
    fields = {"machine": "web1", "seconds": 12.5}
    assert line == {"level": "warning", "event": "machine.silent", "message": "web1 is silent", "fields": fields}


def test_a_text_line_says_the_same_to_people() -> None:
    with written("text") as output:
        log.info("machine.connected", "web1 has connected", machine="web1")
    assert output.getvalue()[8:] == " info    machine.connected  web1 has connected  machine=web1\n"


def test_lines_below_the_level_are_left_out() -> None:
    with written("json") as output:
        logging.getLogger().setLevel("WARNING")
        log.info("a.b", "c")
    assert output.getvalue() == ""


@given(texts, texts, texts)
def test_no_string_forges_a_json_line_or_moves_a_terminal(sentence: str, value: str, key: str) -> None:
    with written("json") as output:
        log.info("a.b", sentence, value=value, nested={key: [value]}, raw=value.encode(errors="replace"))
    (line,) = output.getvalue().splitlines()
    assert line.isascii()
    assert line.isprintable()
    parsed = strictly(line)
    assert parsed["message"] == sentence
    assert isinstance(parsed["fields"], dict)
    assert parsed["fields"]["value"] == value


@given(texts, texts)
def test_no_string_forges_a_text_line_or_moves_a_terminal(sentence: str, value: str) -> None:
    with written("text") as output:
        log.info("a.b", sentence, value=value)
    assert output.getvalue().removesuffix("\n").isprintable()
    output.getvalue().encode()


def _fail(message: str) -> None:
    raise ValueError(message)


def _raised(message: str) -> ValueError | None:
    """An error with a traceback."""
    try:
        _fail(message)
    except ValueError as error:
        return error
    return None


@given(texts)
def test_a_traceback_forges_no_line_and_moves_no_terminal(message: str) -> None:
    for style in ("json", "text"):
        with written(style) as output:
            logging.getLogger("library").error("it failed", exc_info=_raised(message))
        first, *others = output.getvalue().removesuffix("\n").split("\n")
        assert all(line.isprintable() for line in (first, *others))
        assert all(line.startswith("    ") for line in others)
        if style == "json":
            fields = strictly(first)["fields"]
            assert isinstance(fields, dict)
            assert "Traceback" in fields["traceback"]
            assert others == []
        else:
            assert len(others) >= 3


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {1: float("-inf")}, [float("nan")], {(1, 2): 3}, object()]
)
def test_what_json_has_no_word_for_is_written_as_text(value: object) -> None:
    with written("json") as output:
        log.info("a.b", "c", value=value)
    strictly(output.getvalue())


def test_lines_of_libraries_go_the_same_way() -> None:
    with written("json") as output:
        logging.getLogger("grpc.aio").error("lost %s", "peer\n")
    line = strictly(output.getvalue())
    assert (line["event"], line["message"], line["fields"]) == ("library", "lost peer\n", {"logger": "grpc.aio"})


@pytest.mark.parametrize("style", ["json", "text"])
def test_the_last_words_of_a_process_that_ends_by_a_bug_are_a_log_line(style: str) -> None:
    code = f"from sysmonstm import logs; logs.setup('INFO', '{style}'); raise KeyError('\\x1b[2J\\n')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1
    first, *others = result.stderr.removesuffix("\n").split("\n")
    assert all(line.isprintable() for line in (first, *others))
    assert "daemon.crashed" in first
    assert bool(others) == (style == "text")


def test_escape_sequences_and_bidirectional_marks_are_shown_not_obeyed() -> None:
    assert logs.printable("a\x1b[2Jb\r\n\x9b\u202e") == r"a\x1b[2Jb\r\n\x9b\u202e"
    assert logs.printable("größe/數據") == "größe/數據"


@given(st.text())
def test_nothing_printed_can_move_the_cursor(text: str) -> None:
    assert logs.printable(text).isprintable()
