"""What Nix makes of the module, recorded: nixpkgs' lib, which it takes, is not to be had wherever the tests run.

`python -m tests.nix.recording` evaluates and writes it anew; SYSMON_TEST_NIXPKGS_LIB names nixpkgs' directory `lib`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
RECORDED = HERE / "recorded.json"
LIBRARY = "SYSMON_TEST_NIXPKGS_LIB"
# What an evaluation reads.
SOURCES = (
    *(
        "flake.lock",
        "pyproject.toml",
        "web/package.json",
        "web/package-lock.json",
        "nix/install.sh",
        "nix/pure-tests.txt",
    ),
    *("nix/*.nix", "nix/module/*.nix", "nix/tests/*.nix", "tests/nix/*.nix"),
)


def why_not() -> str | None:
    """What is missing here for evaluating; None if nothing is."""
    if not os.environ.get(LIBRARY):
        return f"{LIBRARY} names no lib of nixpkgs; git clone https://github.com/nix-community/nixpkgs.lib has one"
    return None if shutil.which("nix-instantiate") else "there is no nix-instantiate; Debian's package nix-bin has it"


def digest() -> str:
    """Of all that an evaluation reads."""
    whole = hashlib.sha256()
    for file in sorted(file for pattern in SOURCES for file in ROOT.glob(pattern)):
        whole.update(f"{file.relative_to(ROOT)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def evaluate() -> dict[str, Any]:
    """What Nix makes of it now."""
    command = ["nix-instantiate", "--eval", "--strict", "--json", "--readonly-mode", str(HERE / "evaluate.nix")]
    library = Path(os.environ[LIBRARY]).resolve()
    done = subprocess.run(
        [*command, "--arg", "library", str(library)], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@cache
def recorded() -> dict[str, Any]:
    """What Nix made of it when it was recorded."""
    found: dict[str, Any] = json.loads(RECORDED.read_text())
    return found


def main() -> None:
    """Write it anew."""
    if reason := why_not():
        sys.exit(reason)
    text = json.dumps({"sources": digest(), **evaluate()}, indent=1, ensure_ascii=False, sort_keys=True)
    RECORDED.write_text(f"{text}\n")
    print(f"wrote {RECORDED.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
