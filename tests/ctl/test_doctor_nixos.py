"""On NixOS doctor names options of the configuration, where it names packages and files in /etc elsewhere."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from sysmonstm.ctl import doctor
from sysmonstm.ctl.doctor import nixos, report
from sysmonstm.ctl.doctor.finding import fail, warn
from sysmonstm.ctl.doctor.nixos import IN_CONFIGURATION, TABLE, on_nixos
from sysmonstm.ctl.doctor.place import Place

# What nobody does on NixOS.
FOREIGN = re.compile(
    r"apt install|sysmonctl install|/etc/sysmonstm/|/etc/sysctl|systemctl enable|nsswitch\.conf\b.*line"
)
DIRECTORY = Path(doctor.__file__).parent
# They hold paths and no fixes.
NO_FIXES = {"/etc/sysmonstm/credentials/"}


def sentences() -> list[str]:
    """Every text in the sources of doctor, with {} for what is filled in, but for docstrings and the table itself."""
    found = []
    for file in DIRECTORY.glob("*.py"):
        if file.name == Path(nixos.__file__).name:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.JoinedStr):
                found.append("".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
                found.append(node.value)
    return found


def test_whatever_doctor_advises_can_be_done_on_nixos() -> None:
    foreign = {one for one in sentences() if FOREIGN.search(one) and " " in one}
    # A part of an f-string is a text of its own too.
    wholes = {one for one in foreign if not any(one != other and one in other for other in foreign)}
    assert len(wholes) > 5
    assert {one for one in wholes if not one.startswith(tuple(start for start, _ in TABLE))} == set()


@pytest.mark.parametrize(("start", "there"), TABLE)
def test_an_entry_of_the_table_is_used(start: str, there: str) -> None:
    (fix,) = on_nixos(fail("something is amiss", f"{start} and more")).fixes
    assert fix.startswith(IN_CONFIGURATION)
    assert there in fix


def test_what_works_everywhere_stays() -> None:
    found = warn("one restarted", "journalctl -e -u sysmon-alertd", "systemctl restart sysmon.target")
    assert on_nixos(found) == found


def test_it_is_said_where_nixos_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = Place((), "")
    fixes = [fix for _, one in report.look(nowhere) for fix in one.fixes]
    assert any(fix.startswith("sysmonctl install") for fix in fixes)
    (tmp_path / "NIXOS").touch()
    monkeypatch.setattr(report, "NIXOS", tmp_path / "NIXOS")
    fixes = [fix for _, one in report.look(nowhere) for fix in one.fixes]
    assert f"{IN_CONFIGURATION}services.sysmonstm.hub.enable = true;" in fixes
    assert not any(fix.startswith("sysmonctl install") for fix in fixes)
