"""The dashboard reads the globs of rules as alertd does."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

MODULE = Path(__file__).parents[2] / "web/static/js/live/glob.js"
ASK = """
const { compiled } = await import(process.argv[1]);
const pairs = JSON.parse(await new Response(process.stdin).text());
console.log(JSON.stringify(pairs.map(([glob, name]) => compiled(glob).test(name))));
"""


def test_a_glob_matches_what_it_matches_for_alertd() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing; apt-get install nodejs")
    chance = random.Random(1)
    pairs = [
        (
            "".join(chance.choices("abc[[]]!--*?\\^.é", k=chance.randint(0, 9))),
            "".join(chance.choices("abc]-^.\\é\n[", k=k)),
        )
        for _ in range(5000)
        for k in (1, 2, 3)
    ]
    command = [node, "--input-type=module", "-e", ASK, str(MODULE)]
    done = subprocess.run(command, input=json.dumps(pairs), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    expected = [fnmatchcase(name, glob) for glob, name in pairs]
    assert sum(expected) > 100
    differing = [
        pair for pair, ours, theirs in zip(pairs, json.loads(done.stdout), expected, strict=True) if ours != theirs
    ]
    assert differing == []
