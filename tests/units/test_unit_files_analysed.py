"""What systemd itself says of the units, installed into a tree: they verify, and are as hardened as was asked for.

systemd-analyze needs no running systemd for it. The scores hold with 252 (Debian 12) and 257 (Debian 13).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sysmonstm.ctl.installing.install import Wish, install
from sysmonstm.ctl.installing.steps import Steps
from sysmonstm.ctl.installing.units import UNITS
from tests.units.unit_files import daemons

MOST_EXPOSED = {"collectord": 2.0}
MOST_EXPOSED_OTHERS = 1.5

Analyse = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def analyse() -> Analyse:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze; Debian's package systemd has it")

    def run(*arguments: str | Path, units: Path) -> subprocess.CompletedProcess[str]:
        # What ends in a colon has the machine's own directories behind it.
        environ = {"PATH": os.environ["PATH"], "SYSTEMD_UNIT_PATH": f"{units}:", "LC_ALL": "C.UTF-8"}
        command = ["systemd-analyze", "--no-pager", *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module", params=["hub", "machine"])
def units(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a tree's units after `install --root`."""
    tree = tmp_path_factory.mktemp("tree")
    (tree / "etc").mkdir()
    hub = request.param == "hub"
    wish = Wish("hub", listen="192.0.2.7") if hub else Wish("machine", hub="hub.example")
    install(wish, Steps(tree, say=lambda _: None))
    return tree / UNITS.relative_to("/")


def test_the_installed_units_verify_without_a_word(units: Path, analyse: Analyse) -> None:
    files = sorted(units.glob("sysmon*.*"))
    assert files
    done = analyse("verify", *(file for file in files if file.is_file()), units=units)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("daemon", daemons())
def test_a_daemon_is_exposed_no_more_than_was_asked_for(daemon: str, units: Path, analyse: Analyse) -> None:
    file = units / f"sysmon-{daemon}.service"
    if not file.exists():
        assert daemon != "collectord"
        return
    most = MOST_EXPOSED.get(daemon, MOST_EXPOSED_OTHERS)
    done = analyse("security", "--offline=true", f"--threshold={most * 10:.0f}", file, units=units)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_service_without_hardening_is_found(tmp_path: Path, analyse: Analyse) -> None:
    file = tmp_path / "bare.service"
    file.write_text("[Service]\nExecStart=/bin/true\n")
    assert analyse("security", "--offline=true", "--threshold=20", file, units=tmp_path).returncode != 0
