"""Makes every check and prints what they find: a line each, what mends it below, or all of it as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sysmonstm.ctl.doctor.checks import CHECKS
from sysmonstm.ctl.doctor.finding import Finding, Verdict
from sysmonstm.ctl.doctor.nixos import on_nixos
from sysmonstm.ctl.doctor.place import Place, find
from sysmonstm.ctl.installing.checks import NIXOS
from sysmonstm.logs import printable

COLOURS = {Verdict.OK: "\x1b[32m", Verdict.WARN: "\x1b[33m", Verdict.FAIL: "\x1b[1;31m", Verdict.UNSEEN: "\x1b[2m"}
PLAIN = "\x1b[0m"
# What cannot be looked at is no fault.
STATUS = {Verdict.OK: 0, Verdict.UNSEEN: 0, Verdict.WARN: 1, Verdict.FAIL: 2}

Named = tuple[str, Finding]
"""A finding, and the name of its check."""


def doctor(state: Path, url: str | None, as_json: bool) -> int:
    """Look at this machine; the exit status: 0 if all is well, 1 if not quite, 2 if something does not work."""
    found = look(find(state, url))
    if as_json:
        print(json.dumps(described(found), indent=2))
    else:
        print("\n".join(line for one in found for line in lines(*one, colours=sys.stdout.isatty())))
    return status(found)


def look(place: Place) -> list[Named]:
    """What all checks find. Where nothing is installed or runs, only that is said."""
    checks = CHECKS if place.daemons else CHECKS[:1]
    # They mostly wait: for daemons that are asked, and for what does not answer.
    with ThreadPoolExecutor(len(checks)) as threads:
        found = threads.map(lambda check: check[1](place), checks)
        said = [(name, one) for (name, _), findings in zip(checks, found, strict=True) for one in findings]
    return [(name, on_nixos(one)) for name, one in said] if NIXOS.exists() else said


def status(found: Iterable[Named]) -> int:
    """The worst of it, as an exit status."""
    return max((STATUS[one.verdict] for _, one in found), default=0)


def lines(name: str, finding: Finding, colours: bool) -> list[str]:
    """A finding for a terminal; what others say of themselves cannot reach it."""
    word = f"{finding.verdict.value:4}"
    shown = f"{COLOURS[finding.verdict]}{word}{PLAIN}" if colours else word
    return [
        f"{shown}  {name:13}  {printable(finding.sentence)}",
        *(f"                     {printable(fix)}" for fix in finding.fixes),
    ]


def described(found: Sequence[Named]) -> dict[str, object]:
    """The same for programs."""
    return {
        "status": status(found),
        "findings": [
            {"check": name, "verdict": one.verdict.name.lower(), "sentence": one.sentence, "fixes": list(one.fixes)}
            for name, one in found
        ],
    }
