"""What tools and a reader's eye can say of the source: lint, layout, types, length and names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    file
    for folder in ("daemons/sysmonstm", "proto", "tests")
    for file in (ROOT / folder).rglob("*.py")
    if "__pycache__" not in file.parts
)
MOST_LINES = 400
NAMES_THAT_SAY_NOTHING = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py"}
BROAD = {"Exception", "BaseException"}
# In two parts, so that it does not find itself.
UNFINISHED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")


@pytest.mark.parametrize("command", [("ruff", "check"), ("ruff", "format", "--check"), ("mypy",)], ids=" ".join)
def test_tool_finds_nothing(command: tuple[str, ...]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False, timeout=600
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_there_is_source_to_look_at() -> None:
    assert len(SOURCES) > 50


def test_no_file_is_longer_than_a_sitting() -> None:
    files = [*SOURCES, *(file for kind in ("js", "css") for file in (ROOT / "web/static" / kind).rglob(f"*.{kind}"))]
    lengths = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in files}
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert [file for file in SOURCES if file.name in NAMES_THAT_SAY_NOTHING] == []


def test_nothing_is_left_unfinished() -> None:
    assert [file for file in SOURCES if UNFINISHED.search(file.read_text())] == []


def _unexplained(source: str) -> list[int]:
    """Lines of handlers that catch everything, with no reason on the line, the one before or the next."""
    lines = source.splitlines()
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        names = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else BROAD
        reason = lines[node.lineno - 1].partition("#")[2].replace("noqa: BLE001", "").strip(" -")
        around = (lines[node.lineno - 2].strip(), lines[node.lineno].strip())
        if names & BROAD and not reason and not any(line.startswith("#") for line in around):
            found.append(node.lineno)
    return found


def test_what_catches_everything_says_why() -> None:
    found = {str(file.relative_to(ROOT)): _unexplained(file.read_text()) for file in SOURCES}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    ("handler", "found"),
    [
        ("except Exception:\n    pass", True),
        ("except Exception:  # noqa: BLE001\n    pass", True),
        ("except:\n    pass", True),
        ("except (ValueError, BaseException):\n    pass", True),
        ("except Exception:  # noqa: BLE001 - a bug in a handler\n    pass", False),
        ("except Exception:\n    # A bug in a handler.\n    pass", False),
        ("except ValueError:\n    pass", False),
    ],
)
def test_a_handler_without_a_reason_is_found(handler: str, found: bool) -> None:
    assert bool(_unexplained(f"try:\n    pass\n{handler}\n")) is found
