"""The dashboard's pure modules, tested by node."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sysmonstm.wire import HUB_FAMILIES

HERE = Path(__file__).parent


@pytest.mark.parametrize("file", sorted(HERE.glob("test_*.mjs")), ids=lambda file: file.name)
def test_the_module_does_what_its_node_tests_say(file: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing; apt-get install nodejs")
    done = subprocess.run([node, "--test", str(file)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_bundle_outlives_its_modules_where_none_can_be_made(tmp_path: Path) -> None:
    script, bundle = tmp_path / "bundle", tmp_path / "static/bundle"
    shutil.copy(HERE.parents[1] / "web/bundle", script)
    bundle.mkdir(parents=True)
    (bundle / "main.js").write_text("of yesterday")
    environ = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(["sh", script], env=environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, bundle.exists()) == (0, False)
    assert "there is no esbuild" in done.stderr


def test_the_dashboard_knows_what_only_the_hub_says() -> None:
    text = (HERE.parent.parent / "web/static/js/live/machine_clock.js").read_text()
    (listed,) = re.findall(r"HUB_FAMILIES = \[(.*?)\]", text, re.DOTALL)
    assert set(re.findall(r'"(\w+)"', listed)) == HUB_FAMILIES
