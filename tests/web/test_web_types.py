"""The dashboard's code has types, in JSDoc, and they hold: TypeScript's compiler checks every module."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"
COMPILER = WEB / "node_modules/.bin/tsc"
MODULES = sorted((WEB / "static/js").rglob("*.js"))


def compiled(*arguments: str) -> subprocess.CompletedProcess[str]:
    if not COMPILER.exists():
        pytest.skip("there is no TypeScript in web/node_modules; `.ci/setup test` installs it")
    command = [str(COMPILER), "-p", str(WEB / "jsconfig.json"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_types_hold() -> None:
    done = compiled()
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_is_looked_at() -> None:
    """What has not asked for it, as the vendored libraries have not, is left alone."""
    listed = compiled("--listFilesOnly").stdout.split()
    assert MODULES
    assert [str(file) for file in MODULES if str(file) not in listed] == []
    assert [file.name for file in MODULES if not file.read_text().startswith("// @ts-check\n")] == []
