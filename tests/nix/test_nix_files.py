"""Every Nix file parses and is laid out as the others; the flake is short and pinned; machines' scripts are Python."""

from __future__ import annotations

import ast
import builtins
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.nix.recording import ROOT

FILES = sorted([ROOT / "flake.nix", *(ROOT / "nix").rglob("*.nix"), *(ROOT / "tests/nix").glob("*.nix")])
MACHINES = sorted(file for file in (ROOT / "nix/tests").glob("*.nix") if file.name != "default.nix")
# What the test driver of NixOS gives to a script, besides its machines.
DRIVER = {"start_all", "subtest", "retry", "log", "join_all"}
LONGEST_LINE = 120
MOST_LINES_OF_FLAKE = 100


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def test_every_file_parses() -> None:
    if not shutil.which("nix-instantiate"):
        pytest.skip("there is no nix-instantiate; Debian's package nix-bin has it")
    done = subprocess.run(["nix-instantiate", "--parse", *FILES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.elsewhere
def test_files_are_laid_out_by_nixfmt() -> None:
    if not shutil.which("nixfmt"):
        pytest.skip("there is no nixfmt; `nix develop` has it, and no package registry")
    done = subprocess.run(["nixfmt", "--check", *FILES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_file_is_laid_out_as_the_others(file: Path) -> None:
    text = file.read_text()
    lines = text.splitlines()
    assert text.endswith("\n") and not text.endswith("\n\n")
    assert [line for line in lines if line != line.rstrip() or "\t" in line] == []
    assert [line for line in _code(lines) if len(line) > LONGEST_LINE] == []
    assert [line for line in lines if (len(line) - len(line.lstrip())) % 2] == []


def _code(lines: list[str]) -> list[str]:
    """The lines that are neither comments nor in a text of several lines."""
    found, inside = [], False
    for line in lines:
        if not inside and not line.lstrip().startswith("#") and '"' not in line:
            found.append(line)
        inside ^= line.count("''") % 2 == 1
    return found


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_a_file_says_what_it_is_for(file: Path) -> None:
    first = file.read_text().lstrip("{\n ")
    assert first.startswith(("#", "description"))


def test_the_flake_is_short_and_pinned() -> None:
    assert len((ROOT / "flake.nix").read_text().splitlines()) < MOST_LINES_OF_FLAKE
    node = json.loads((ROOT / "flake.lock").read_text())["nodes"]["nixpkgs"]
    (wanted,) = re.findall(r'nixpkgs\.url = "github:NixOS/nixpkgs/(.*)"', (ROOT / "flake.nix").read_text())
    assert node["original"] == {"owner": "NixOS", "repo": "nixpkgs", "ref": wanted, "type": "github"}
    assert re.fullmatch("[0-9a-f]{40}", node["locked"]["rev"])
    assert node["locked"]["narHash"].startswith("sha256-")


def test_every_machine_test_is_among_the_checks() -> None:
    listed = re.findall(r"= \./([\w-]+\.nix);", (ROOT / "nix/tests/default.nix").read_text())
    assert sorted(listed) == [file.name for file in MACHINES]
    assert "import ./tests" in (ROOT / "nix/checks.nix").read_text()


@pytest.mark.parametrize("file", MACHINES, ids=name_of)
def test_a_machine_test_has_a_script_in_python_that_knows_its_machines(file: Path) -> None:
    text = file.read_text()
    script = text.split("testScript = ''\n")[1].rsplit("  '';\n", 1)[0].replace("''$", "$")
    assert "${" not in script
    tree = ast.parse("\n".join(line.removeprefix("    ") for line in script.splitlines()))
    named = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    made = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    made |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    made |= {one.arg for node in ast.walk(tree) if isinstance(node, ast.arguments) for one in node.args}
    made |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    machines = {name for name in ("hub", "web1", "web2") if re.search(rf"(?m)^ *(nodes\.)?{name}\b", text)}
    assert named - made - DRIVER - set(dir(builtins)) <= machines
    assert re.search(r'name = "sysmonstm-[\w-]+";', text)
