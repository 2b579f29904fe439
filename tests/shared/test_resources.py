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
    (package / "sql").mkdir(parents=True)
    assert resources.resource("sql") == package / "sql"
