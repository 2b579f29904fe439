"""What people write is read; what would take long, or raises something else, is refused in a sentence."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm import toml_text
from sysmonstm.toml_text import LONGEST_WORD, MOST_PARTS, TomlError

DOTS = ".".join("a" * 40)
LONG = "9" * 5000


@pytest.mark.parametrize(
    "text",
    [
        "",
        'address = "postgresql://u:p@10.0.0.1:5432/x" # 1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18',
        f"glob = '{DOTS}'",
        f'glob = "{DOTS} \\" {DOTS}"',
        f'text = """\n{DOTS} "" \\""" {DOTS}"""""\nx = 1',
        f"text = '''\n{DOTS} '' {DOTS}'''''\nx = 1",
        f"text = '{LONG}'",
        f"[{'.'.join('a' * MOST_PARTS)}]\nb = 1",
        f"numbers = [{', '.join(['1.5'] * 100)}]",
        "\n".join(f"[rules.a{number}.b]\nc.d.e = 1.5" for number in range(100)),
        f"{'a' * LONGEST_WORD} = 1",
    ],
)
def test_what_people_write_is_read(text: str) -> None:
    assert toml_text.parse(text) == tomllib.loads(text)


@pytest.mark.parametrize(
    ("text", "saying"),
    [
        ("x = ", "is not TOML: Invalid value (at end of document)"),
        ("x = 9999-99-99", "is not TOML: "),
        ("x = " + "[" * 20_000, "is nested too deeply"),
        ("x = " + "{a=" * 8_000 + "1" + "}" * 8_000, "is nested too deeply"),
        (f"x = 1\ny = {LONG}", "has a word of more than 300 characters (at line 2)"),
        (f"x = -{'9_9' * 200}", "has a word of more than 300 characters (at line 1)"),
        # As a number it could be read, but not be shown.
        (f"x = 0x{'f' * 5000}", "has a word of more than 300 characters (at line 1)"),
        (f"y = '''\n'''\nrules.{DOTS} = 1", "has a name of more than 16 parts (at line 3)"),
        (f"[{DOTS}]", "has a name of more than 16 parts (at line 1)"),
        (f"[[{' . '.join('a' * 17)}]]", "has a name of more than 16 parts (at line 1)"),
        (".".join(["'a'", '"b"'] * 10) + " = 1", "has a name of more than 16 parts (at line 1)"),
        ("x = { " + DOTS + " = 1 }", "has a name of more than 16 parts (at line 1)"),
        # A quote that nothing ends hides no more than the reader leaves out.
        (f"'a = 1\n{DOTS} = 1", "has a name of more than 16 parts (at line 2)"),
    ],
)
def test_the_rest_is_refused(text: str, saying: str) -> None:
    with pytest.raises(TomlError) as refused:
        toml_text.parse(text)
    assert str(refused.value).startswith(saying)


@pytest.mark.parametrize(
    "part", ["a.", '"a".', "'", '"', '\\"', '""', "'''", '"""', '"""\\', "#", "a", " ", "a .", "[", "{", "''", '"\\']
)
def test_nothing_takes_long(part: str) -> None:
    """Half a minute at least where the work grows with the square; the test's own time limit says so."""
    with pytest.raises(TomlError):
        toml_text.parse("x =" + part * (1_000_000 // len(part)) + "\x00")


@given(st.text(alphabet="ab.=[]{}'\"\\#\n 1", max_size=60))
def test_it_reads_what_the_reader_reads(text: str) -> None:
    try:
        expected = tomllib.loads(text)
    except ValueError:
        with pytest.raises(TomlError):
            toml_text.parse(text)
    else:
        assert toml_text.parse(text) == expected
