from __future__ import annotations

from pathlib import Path

import pytest

from sysmonstm import resources


def test_sql_and_web_are_found() -> None:
    assert list(resources.resource("sql").glob("0001_*.sql"))
    assert (resources.resource("web") / "templates").is_dir()


def test_what_is_installed_inside_the_package_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, tree = tmp_path / "package", tmp_path / "tree"
    (tree / "sql").mkdir(parents=True)
    monkeypatch.setattr(resources, "_PACKAGE", package)
    monkeypatch.setattr(resources, "_TREE", tree)
    assert resources.resource("sql") == tree / "sql"
    assert resources.in_source_tree("sql")
    (package / "sql").mkdir(parents=True)
    assert resources.resource("sql") == package / "sql"
    assert not resources.in_source_tree("sql")


def test_commands_are_beside_the_one_that_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package, profile = tmp_path / "package/bin", tmp_path / "profile/bin"
    package.mkdir(parents=True)
    (package / "sysmon-collectord").touch()
    profile.parent.mkdir()
    # As a profile of Nix has it.
    profile.symlink_to(package)
    monkeypatch.setattr("sys.argv", [str(profile / "sysmonctl")])
    assert resources.commands() == package


def test_commands_are_where_python_puts_them_if_it_runs_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["/nowhere/else"])
    assert (resources.commands() / "sysmon-collectord").is_file()
