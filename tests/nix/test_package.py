"""The package: what it takes from nixpkgs is what pyproject.toml wants, and what it installs runs, whole and split."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.machine.trees import build_wheel
from tests.nix.recording import ROOT, recorded
from tests.units.unit_files import daemons, read_unit

PACKAGES: dict[str, Any] = recorded()["packages"]
VERSIONS: dict[str, str | None] = recorded()["pythonVersions"]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
# What only the hub imports.
HUB = ("aiohttp", "aiohttp-jinja2", "numpy", "psycopg", "redis")
# As tests/nix/package.nix has coreutils.
KILL = "/nix/store/coreutils/bin/kill"
SITE = "lib/python3/site-packages"
# As in the package: other names of these, and nothing beside them.
IMPORTED = {"aiohttp", "aiohttp_jinja2", "jinja2", "numpy", "psycopg", "psycopg_pool", "redis"}


def required(*, with_journal: bool = True) -> list[Requirement]:
    project = PROJECT["project"]
    extra = project["optional-dependencies"]["journal"] if with_journal else []
    return [Requirement(one) for one in (*project["dependencies"], *extra)]


def test_dependencies_are_those_of_the_project() -> None:
    wanted = {one.name for one in required()}
    assert set(PACKAGES["sysmonstm"]["dependencies"]) == wanted | {"psycopg-c", "psycopg-pool"}
    assert set(PACKAGES["sysmonstm-collector"]["dependencies"]) == wanted - set(HUB)
    assert set(PACKAGES["sysmonstm-collector"]["pythonRemoveDeps"]) == set(HUB)


def test_the_build_takes_what_the_project_is_built_with() -> None:
    wanted = {Requirement(one).name for one in PROJECT["build-system"]["requires"]}
    assert set(PACKAGES["sysmonstm"]["build"]) == wanted


@pytest.mark.parametrize("requirement", [*required(), *map(Requirement, PROJECT["build-system"]["requires"])], ids=str)
def test_the_release_of_nixpkgs_has_a_version_that_fits(requirement: Requirement) -> None:
    version = VERSIONS[requirement.name]
    assert version is not None
    assert requirement.specifier.contains(version), version


def test_browser_libraries_are_fetched_by_the_hashes_of_the_lock_file() -> None:
    (tarball,) = PACKAGES["sysmonstm"]["tarballs"].values()
    algorithm, _, digest = tarball["outputHash"].partition("-")
    assert algorithm == "sha512"
    assert len(base64.b64decode(digest)) == 64
    assert "npm pack --silent uplot@" in tarball["buildCommand"]


def test_the_whole_package_is_tested_as_it_is_built() -> None:
    assert PACKAGES["sysmonstm"]["doCheck"] is True
    assert {"pytestCheckHook", "pytest-asyncio", "hypothesis", "trustme"} <= set(PACKAGES["sysmonstm"]["check"])


@pytest.mark.parametrize("name", PACKAGES)
def test_commands_pass_on_where_python_finds_the_package(name: str) -> None:
    """`sysmonctl up` starts the interpreter anew; what is in PYTHONPATH already stays."""
    (arguments,) = PACKAGES[name]["makeWrapperArgs"]
    option, variable, separator, path = arguments.split()
    assert (option, variable, separator) == ("--prefix", "PYTHONPATH", ":")
    own, *others = path.split(":")
    assert own.endswith("/lib/python3.13/site-packages")
    assert {Path(one).name for one in others} == set(PACKAGES[name]["dependencies"])
    assert PACKAGES[name]["mainProgram"] == "sysmonctl"


def test_the_pure_tests_are_there() -> None:
    listed = (ROOT / "nix/pure-tests.txt").read_text().split()
    assert listed == sorted(set(listed))
    assert [one for one in listed if not (ROOT / one).exists()] == []
    assert PACKAGES["sysmonstm"]["enabledTestPaths"] == listed


def test_the_build_fetches_what_browsers_load_and_nothing_else() -> None:
    """What only looks at the code has no source in the build, so that npm must not hear of it."""
    web = PACKAGES["sysmonstm"]["web"]
    assert web["wanted"] == ["uplot"]
    assert web["locked"] == ["", "node_modules/uplot"]
    assert list(PACKAGES["sysmonstm"]["tarballs"]) == ["node_modules/uplot"]
    # What makes one file of the dashboard's modules; nixpkgs has its own, and npm's is left out.
    assert "esbuild" in PACKAGES["sysmonstm"]["tools"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("build"))


def installed(wheel: Path, out: Path, name: str) -> Path:
    """One of the packages, as nix/package.nix puts it together."""
    site = out / SITE
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile"]
    subprocess.run([*pip, "--target", site, wheel], check=True, timeout=300)
    shutil.move(site / "bin", out / "bin")
    script = re.sub(r"/nix/store/\S+-install\.sh", str(ROOT / "nix/install.sh"), PACKAGES[name]["postInstall"])
    script = script.replace("$out/lib/python3.13/site-packages", str(site))
    environ = {"PATH": os.defpath, "out": str(out)}
    subprocess.run(["bash", "-eu", "-c", script], env=environ, check=True, timeout=60)
    return out


@pytest.fixture(scope="module")
def whole(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(wheel, tmp_path_factory.mktemp("whole"), "sysmonstm")


@pytest.fixture(scope="module")
def split(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(wheel, tmp_path_factory.mktemp("split"), "sysmonstm-collector")


def units(out: Path) -> set[str]:
    return {file.name for file in (out / "lib/systemd/system").iterdir()}


def test_units_have_the_paths_of_the_package(whole: Path) -> None:
    both = {f"sysmon-{daemon}.{kind}" for daemon in daemons() for kind in ("service", "socket")}
    assert units(whole) == both | {"sysmon.target", "sysmon.slice", "sysmon-.service.d"}
    for daemon in daemons():
        unit = read_unit(whole / f"lib/systemd/system/sysmon-{daemon}.service")
        command = unit.value("ExecStart").split()
        assert command == [f"{whole}/bin/sysmon-{daemon}", "--config", f"/etc/sysmonstm/{daemon}.toml"]
        assert os.access(command[0], os.X_OK)
        assert unit.value("ExecReload") == f"{KILL} -HUP $MAINPID"
        manual = Path(unit.value("Documentation").removeprefix("file://"))
        assert manual.read_text() == (ROOT / "README.md").read_text()


def test_no_path_of_another_distribution_is_left(whole: Path) -> None:
    for file in (whole / "lib/systemd/system").rglob("*"):
        assert not file.is_file() or "/usr/" not in file.read_text().replace("/usr/local/lib", ""), file


def test_sql_and_web_are_in_share_and_found(whole: Path) -> None:
    assert (whole / "share/sysmonstm/sql/database.sql").is_file()
    for name in ("vendor/uplot-uPlot.esm.js", "bundle/main.js", "bundle/main.css"):
        assert (whole / "share/sysmonstm/web/static" / name).is_file()
    code = "from sysmonstm.resources import resource; print(*(resource(name).resolve() for name in ('sql', 'web')))"
    assert _python(whole, code) == f"{whole}/share/sysmonstm/sql {whole}/share/sysmonstm/web"


def _python(out: Path, code: str) -> str:
    """What Python prints that has this package, and else what the tests have."""
    environ = {"PATH": os.defpath, "PYTHONPATH": str(out / SITE)}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_catalogue_of_the_journal_comes_along(split: Path) -> None:
    assert (split / "lib/systemd/catalog/sysmonstm.catalog").is_file()


def test_a_machine_that_only_sends_gets_no_part_of_the_hub(split: Path) -> None:
    assert sorted(file.name for file in (split / "bin").iterdir()) == ["sysmon-collectord", "sysmonctl"]
    assert {name for name in units(split) if name.startswith("sysmon-")} == {
        "sysmon-collectord.service",
        "sysmon-collectord.socket",
        "sysmon-.service.d",
    }
    left = {file.name for file in (split / SITE / "sysmonstm").iterdir()}
    assert left & {"aggregatord", "gatewayd", "alertd", "sql", "web"} == set()


@pytest.mark.parametrize("command", [["machines", "--help"], ["doctor", "--help"], ["up"], ["forget", "web1"]])
def test_sysmonctl_does_without_what_only_a_hub_has(command: list[str], split: Path) -> None:
    code = f"""
import sys
for name in {sorted(IMPORTED)}:
    sys.modules[name] = None
import sysmonstm.collectord.__main__, sysmonstm.ctl.doctor.report
from sysmonstm.ctl.__main__ import main
try:
    main({command})
except SystemExit as end:
    print("ended", end.code)
"""
    said = _python(split, code)
    assert said.endswith("ended 0" if "--help" in command else "ended 1")


def test_what_needs_a_hub_says_so(split: Path) -> None:
    environ = {"PATH": os.defpath, "PYTHONPATH": str(split / SITE)}
    done = subprocess.run(
        [split / "bin/sysmonctl", "forget", "web1"], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "this machine has the collector alone" in done.stderr


def test_everything_of_the_whole_package_can_be_imported(whole: Path) -> None:
    for module in PACKAGES["sysmonstm"]["pythonImportsCheck"]:
        _python(whole, f"import {module}")
    for module in PACKAGES["sysmonstm-collector"]["pythonImportsCheck"]:
        assert module in PACKAGES["sysmonstm"]["pythonImportsCheck"]
