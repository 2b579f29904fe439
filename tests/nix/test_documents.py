"""What is written of the module is what it has: the table of options, the checks, and the examples of the README."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.nix.recording import ROOT, recorded

OWN = ROOT / "nix/README.md"
START, END = "<!-- options: checked by tests/nix/test_documents.py -->\n", "<!-- end of options -->"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _shown(value: str | None) -> str:
    """A default, as it is written in Nix."""
    if value is None:
        return ""
    text = _cell(value)
    return text if re.search(r"[a-z] [a-z]", text) and '"' not in text and "{" not in text else f"`{text}`"


def _row(one: dict[str, Any]) -> str:
    name = one["name"].removeprefix("services.sysmonstm.")
    sentence = re.split(r"(?<=\.)\s", _cell(one["description"]))[0]
    return f"| `{name}` | {_shown(one['default'])} | {sentence} |"


def options_table() -> str:
    rows = [_row(one) for one in sorted(recorded()["options"], key=lambda one: one["name"])]
    return "\n".join(["| option | default | what it is |", "|---|---|---|", *rows])


def test_the_table_of_options_is_what_the_module_has() -> None:
    text = OWN.read_text()
    if text.split(START)[1].split(END)[0].strip() != options_table():
        pytest.fail(f"nix/README.md: the table of options should be\n\n{options_table()}", pytrace=False)


def test_every_check_is_in_the_table_of_checks() -> None:
    table = OWN.read_text().split("| check | what it shows |")[1].split("\n\n")[0]
    listed = set(re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE))
    machines = set(re.findall(r"^  ([\w-]+) = \./", (ROOT / "nix/tests/default.nix").read_text(), re.MULTILINE))
    assert listed == machines | {"evaluation", "format"}


def test_every_package_is_in_the_table_of_packages() -> None:
    table = OWN.read_text().split("| name | what it is |")[1].split("\n\n")[0]
    listed = set(re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE))
    assert listed == set(
        re.findall(r"^  ([\w-]+) = callPackage", (ROOT / "nix/packages.nix").read_text(), re.MULTILINE)
    )


def _examples() -> list[str]:
    """The machine's and the hub's."""
    text = (
        (ROOT / "README.md").read_text().split("<!-- the module's examples: checked by tests/nix/test_documents.py -->")
    )
    return re.findall(r"```nix\n(.*?)```", text[1], re.DOTALL)[:2]


def _words(nix: str) -> list[str]:
    return re.sub(r"(?m)^\s*#.*$", "", nix).split()


def test_the_examples_of_the_readme_are_machines_that_are_evaluated() -> None:
    scenarios = (ROOT / "tests/nix/scenarios.nix").read_text()
    for name, example in zip(("machine", "hub"), _examples(), strict=True):
        text = scenarios.split(f"    {name} = {{\n")[1].split("\n    };\n")[0]
        assert _words(text) == _words(example), name


def test_the_readme_begins_with_nixos() -> None:
    sections = re.findall(r"^## (.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sections[0] == "On NixOS"
