"""`sysmonctl install --root` makes a tree that needs no second run, and leaves alone what people have changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sysmonstm.config import UserError
from sysmonstm.ctl.installing.checks import check_reachable
from sysmonstm.ctl.installing.files import State, marked, state
from sysmonstm.ctl.installing.install import Wish, install, uninstall
from sysmonstm.ctl.installing.ports import with_port
from sysmonstm.ctl.installing.settings import with_values
from sysmonstm.ctl.installing.steps import Steps
from sysmonstm.ctl.installing.units import SINCE_VERSION, UNITS, Place, files, listen_text

ROOT = Path(__file__).parents[2]
MACHINE = Wish("machine", hub="hub.example")
HUB = Wish("hub")
COLLECTOR = Path("/etc/sysmonstm/collectord.toml")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    return tmp_path


@pytest.fixture(scope="module")
def made_hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub's tree, to be copied: making it starts each daemon twice."""
    made = tmp_path_factory.mktemp("hub")
    (made / "etc").mkdir()
    install(HUB, Steps(made, say=lambda _: None))
    return made


@pytest.fixture
def hub(made_hub: Path, tmp_path: Path) -> Path:
    """The tree of an installed hub."""
    return Path(shutil.copytree(made_hub, tmp_path / "tree", symlinks=True))


def done(tree: Path, wish: Wish | None, dry: bool = False) -> Said:
    said = Said()
    steps = Steps(tree, dry, said.append)
    if wish:
        install(wish, steps)
    else:
        uninstall(steps)
    said.taken = steps.taken
    return said


class Said(list[str]):
    """The lines that were printed, and the steps that were taken."""

    taken: list[str]


def everything(tree: Path) -> dict[str, tuple[float, str]]:
    return {
        str(path.relative_to(tree)): (path.lstat().st_mtime, str(path.readlink()) if path.is_symlink() else "")
        for path in tree.rglob("*")
    }


def test_a_machine_gets_the_collector_alone_and_enabled(tree: Path) -> None:
    done(tree, MACHINE)
    names = {path.name for path in (tree / UNITS.relative_to("/")).iterdir() if path.is_file()}
    assert names == {"sysmon.target", "sysmon.slice", "sysmon-collectord.service", "sysmon-collectord.socket"}
    wanted = {path.name for path in (tree / "etc/systemd/system").rglob("*") if path.is_symlink()}
    assert wanted == {"sysmon.target", "sysmon-collectord.service", "sysmon-collectord.socket"}
    values = tomllib.loads((tree / COLLECTOR.relative_to("/")).read_text())
    assert values == {"aggregator_url": ["hub.example:50051"]}
    assert (tree / "etc/sysmonstm/credentials").stat().st_mode & 0o777 == 0o700
    assert (tree / COLLECTOR.relative_to("/")).stat().st_mode & 0o777 == 0o644
    assert "sysmon" in (tree / "etc/group").read_text()


def test_a_hub_gets_everything_and_its_collector_uses_the_unix_socket(hub: Path) -> None:
    services = {path.name for path in (hub / UNITS.relative_to("/")).glob("*.service")}
    assert services == {f"sysmon-{name}.service" for name in ("aggregatord", "gatewayd", "alertd", "collectord")}
    values = tomllib.loads((hub / COLLECTOR.relative_to("/")).read_text())
    assert values == {"aggregator_url": ["unix:/run/sysmon/aggregatord.sock"]}


def test_executables_and_manual_are_those_of_this_installation(hub: Path) -> None:
    for unit in (hub / UNITS.relative_to("/")).glob("*.service"):
        text = unit.read_text()
        assert "/usr/bin/sysmon-" not in text
        command = next(line for line in text.splitlines() if line.startswith("ExecStart=")).partition("=")[2].split()[0]
        assert os.access(command, os.X_OK)
        manual = next(line for line in text.splitlines() if line.startswith("Documentation=file://"))
        assert Path(manual.removeprefix("Documentation=file://")).is_file()


def test_a_second_run_changes_nothing(hub: Path) -> None:
    before = everything(hub)
    second = done(hub, HUB)
    assert second.taken == []
    assert "all is as it should be; nothing was changed" in second
    assert everything(hub) == before


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(tree: Path) -> None:
    said = done(tree, HUB, dry=True)
    assert "would write /usr/local/lib/systemd/system/sysmon-alertd.service" in said
    assert everything(tree) == {"etc": everything(tree)["etc"]}


def test_edited_settings_stay_and_what_this_wanted_in_them_is_said(tree: Path) -> None:
    done(tree, MACHINE)
    file = tree / COLLECTOR.relative_to("/")
    file.write_text(file.read_text() + "collection_interval = 1\n")
    edited = file.read_text()
    said = done(tree, Wish("machine", hub="other.example:50052"))
    assert file.read_text() == edited
    assert f"keep {COLLECTOR}, which has been edited" in said
    assert f'what this wants in {COLLECTOR}: aggregator_url = ["other.example:50052"]' in said


def test_settings_that_nobody_edited_follow_the_wish_and_otherwise_stay(tree: Path) -> None:
    done(tree, MACHINE)
    file = tree / COLLECTOR.relative_to("/")
    assert done(tree, Wish("machine")).taken == []
    done(tree, Wish("machine", hub="[2001:db8::1]"))
    assert tomllib.loads(file.read_text()) == {"aggregator_url": ["[2001:db8::1]:50051"]}
    assert state(file) is State.OURS


@pytest.mark.parametrize("value", ["[" * 5000, "9" * 5000, ""])
def test_settings_that_cannot_be_read_are_a_line_for_people(tree: Path, value: str) -> None:
    done(tree, MACHINE)
    (tree / COLLECTOR.relative_to("/")).write_text(f"spool_bytes = {value}")
    with pytest.raises(UserError, match=r"collectord\.toml (is not TOML|is nested too deeply|has a word of more)"):
        done(tree, MACHINE)


def test_an_old_unit_is_brought_up_to_date_and_an_edited_one_is_kept(tree: Path) -> None:
    done(tree, MACHINE)
    directory = tree / UNITS.relative_to("/")
    service, socket = directory / "sysmon-collectord.service", directory / "sysmon-collectord.socket"
    current, edited = service.read_text(), socket.read_text() + "Backlog=1\n"
    service.write_text(marked("[Service]\nExecStart=/bin/of-the-version-before\n"))
    socket.write_text(edited)
    said = done(tree, MACHINE)
    assert service.read_text() == current
    assert socket.read_text() == edited
    assert f"keep {UNITS}/sysmon-collectord.socket, which has been edited" in said


def test_what_somebody_has_disabled_stays_so(hub: Path) -> None:
    link = hub / "etc/systemd/system/sysmon.target.wants/sysmon-gatewayd.service"
    link.unlink()
    assert done(hub, HUB).taken == []
    assert not link.exists()


def test_listening_for_others_is_a_drop_in_beside_loopback(hub: Path) -> None:
    done(hub, Wish("hub", listen="192.0.2.7"))
    text = (hub / "etc/systemd/system/sysmon-aggregatord.socket.d/listen.conf").read_text()
    listens = [line for line in text.splitlines() if line.startswith("ListenStream=")]
    assert listens == [
        "ListenStream=",
        "ListenStream=192.0.2.7:50051",
        "ListenStream=127.0.0.1:50051",
        "ListenStream=/run/sysmon/aggregatord.sock",
    ]
    # Both at one port would be refused.
    assert "127.0.0.1" not in listen_text("gatewayd", "0.0.0.0", 8000)
    assert "ListenStream=[::]:8000" in listen_text("gatewayd", "::", 8000)
    assert done(hub, HUB).taken == []


@pytest.mark.parametrize(
    ("reserved", "wanted"),
    [("", "50051"), ("8080", "8080,50051"), ("8080,50000-50100", "8080,50000-50100"), ("50051,60000", "50051,60000")],
)
def test_the_port_is_reserved_beside_those_of_others(reserved: str, wanted: str) -> None:
    assert with_port(reserved, 50051) == wanted


def test_a_hub_reserves_its_port_at_boot_and_a_machine_none(tree: Path, hub: Path) -> None:
    done(tree, MACHINE)
    assert not (tree / "usr/local/lib/sysctl.d/10-sysmonstm.conf").exists()
    text = (hub / "usr/local/lib/sysctl.d/10-sysmonstm.conf").read_text()
    assert "net.ipv4.ip_local_reserved_ports = 50051\n" in text


def test_uninstall_leaves_nothing_but_what_was_edited(hub: Path) -> None:
    done(hub, Wish("hub", listen="[::]"))
    file = hub / "etc/sysmonstm/alertd.toml"
    file.write_text('log_level = "DEBUG"\n')
    (hub / "etc/sysmonstm/credentials/webhook_url").write_text("https://hook.example/secret")
    said = done(hub, None)
    left = {str(path.relative_to(hub)) for path in hub.rglob("*") if path.is_symlink() or path.is_file()}
    ours = {name for name in left if "sysmon" in name}
    assert ours == {"etc/sysmonstm/alertd.toml", "etc/sysmonstm/credentials/webhook_url"}
    assert "keep /etc/sysmonstm/alertd.toml, which has been edited" in said


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (Wish("machine"), "--hub HOST"),
        (Wish("hub", hub="x"), "leave --hub away"),
        (Wish("machine", hub="x", listen="0.0.0.0"), "leave --listen away"),
        (Wish("hub", listen="localhost:8000"), "address of this machine"),
        (Wish("machine", hub="no address!"), "aggregator_url"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(tree: Path, wish: Wish, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        done(tree, wish)


@pytest.mark.parametrize("hidden", ["/root/venv", "/home/me/.local/bin", "/tmp/venv"])
def test_an_installation_that_the_daemons_could_not_see_is_refused(hidden: str) -> None:
    with pytest.raises(UserError, match="/opt/sysmonstm"):
        check_reachable(Place(Path(hidden), ROOT / "README.md"))


def test_an_installation_in_a_closed_directory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # tmp_path lies where the daemons see nothing, which is refused for another reason.
    monkeypatch.setattr("sysmonstm.ctl.installing.checks.HIDDEN", ())
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(UserError, match="may not enter"):
        check_reachable(Place(closed, ROOT / "README.md"))


def test_growing_pauses_come_with_the_systemd_that_knows_them() -> None:
    drop_in = UNITS / "sysmon-.service.d/growth.conf"
    assert drop_in in files(("collectord",), SINCE_VERSION)
    assert drop_in not in files(("collectord",), SINCE_VERSION - 1)


def test_the_mark_tells_an_edited_file(tmp_path: Path) -> None:
    file = tmp_path / "one.conf"
    assert state(file) is State.ABSENT
    file.write_text(marked("a = 1\n"))
    assert state(file) is State.OURS
    file.write_text(marked("a = 1\n").replace("1\n", "2\n"))
    assert state(file) is State.EDITED
    file.write_text("a = 1\n")
    assert state(file) is State.EDITED


def test_values_are_set_where_they_stand_commented() -> None:
    template = "# What.\n#a = 1\n\n#ab = []\n"
    assert with_values(template, {"a": 'x"\\1', "unknown": 2}) == '# What.\na = "x\\"\\\\1"\n\n#ab = []\n'


@pytest.mark.parametrize("daemon", ["collectord", "aggregatord", "gatewayd", "alertd"])
def test_the_printed_settings_are_good_as_they_are_and_with_every_default_set(daemon: str, tmp_path: Path) -> None:
    command = Path(sys.executable).parent / f"sysmon-{daemon}"
    printed = subprocess.run([command, "--print-config"], capture_output=True, text=True, check=True).stdout
    names = [line[1:].partition(" = ")[0] for line in printed.splitlines() if line[:1] == "#" and line[1:2].isalpha()]
    assert "log_level" in names
    for number, text in enumerate([printed, "".join(_all_set(printed))]):
        file = tmp_path / f"{number}.toml"
        file.write_text(text)
        checked = subprocess.run([command, "--check-config", "--config", file], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr
    assert list(tomllib.loads((tmp_path / "1.toml").read_text())) == names


def _all_set(printed: str) -> list[str]:
    return [line[1:] if line[:1] == "#" and line[1:2].isalpha() else line for line in printed.splitlines(True)]


def test_the_wheel_and_the_source_carry_the_units() -> None:
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"]["force-include"]["units"] == "sysmonstm/units"
    assert targets["wheel"]["force-include"]["README.md"] == "sysmonstm/README.md"
    assert "units" in targets["sdist"]["include"]
