"""The tables of the README say what the code says. A failing test prints the table to put there."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from sysmonstm.aggregatord.settings import AggregatorSettings
from sysmonstm.alertd.rulefile import DEFAULT_RULES
from sysmonstm.alertd.settings import AlertSettings
from sysmonstm.collectord.probes import CATALOGUE
from sysmonstm.collectord.settings import CollectorSettings
from sysmonstm.config import SHARED, Settings, StorageSettings, about, env_name, fields
from sysmonstm.gatewayd.settings import GatewaySettings

README = Path(__file__).parents[2] / "README.md"
DAEMONS = (CollectorSettings, AggregatorSettings, GatewaySettings, AlertSettings)


def _between(name: str) -> str:
    text = README.read_text()
    start = f"<!-- {name}: checked by tests/shared/test_readme.py -->\n"
    assert start in text
    return text.split(start)[1].split(f"<!-- end of {name} -->")[0].strip()


def _default(settings: type[Settings], field: str) -> str:
    value = getattr(settings(), field)
    if value == socket.gethostname():
        return "the hostname"
    if isinstance(value, Path):
        return "a state directory"
    if value is None or value == ():
        return "none"
    text = ",".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{text}`"


def _settings_table() -> str:
    rows = ["| name | default | what it is |", "|---|---|---|"]
    shared: list[tuple[type[Settings], str]] = [(StorageSettings, field) for field in fields(StorageSettings)]
    own: list[tuple[type[Settings], str]] = [
        (one, field) for one in DAEMONS for field in fields(one) if field not in SHARED
    ]
    for settings, field in shared + own:
        rows.append(f"| `{env_name(settings, field)}` | {_default(settings, field)} | {about(settings, field)} |")
    return "\n".join(rows)


def _metrics_table() -> str:
    rows = ["| metric | for each | unit | what it is |", "|---|---|---|---|"]
    rows += [f"| `{one.name}` | {one.instance_label} | {one.unit} | {one.help} |" for one in CATALOGUE]
    return "\n".join(rows)


def test_the_settings_table_is_what_the_daemons_take() -> None:
    if _between("settings") != _settings_table():
        pytest.fail(f"README.md: the table of settings should be\n\n{_settings_table()}", pytrace=False)


def test_the_metrics_table_is_what_the_probes_declare() -> None:
    if _between("metrics") != _metrics_table():
        pytest.fail(f"README.md: the table of metrics should be\n\n{_metrics_table()}", pytrace=False)


def test_the_default_rules_are_those_of_alertd() -> None:
    expected = f"```toml\n{DEFAULT_RULES}```"
    text = README.read_text().split("<!-- default rules: checked by tests/shared/test_readme.py -->\n")[1]
    if not text.startswith(expected):
        pytest.fail(f"README.md: the default rules should be\n\n{expected}", pytrace=False)


def test_nothing_is_left_to_be_filled_in() -> None:
    comments = re.findall(r"<!-- (.*?) -->", README.read_text())
    assert [one for one in comments if "checked by" not in one and not one.startswith("end of")] == []


def test_pictures_and_files_that_the_readme_names_are_there() -> None:
    text = README.read_text()
    named = [part.split(")")[0] for part in text.split("](")[1:]]
    assert named
    assert [name for name in named if not (README.parent / name).is_file()] == []
