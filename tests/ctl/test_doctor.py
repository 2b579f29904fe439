"""`sysmonctl doctor` on a real `sysmonctl up`, and on what is broken there."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from sysmonstm.ctl.doctor import configuration, credentials, hub, sockets
from sysmonstm.ctl.doctor.hub import Reached
from sysmonstm.ctl.doctor.place import Daemon, Place
from sysmonstm.ctl.doctor.units import Unit
from tests.ctl.judging import FAIL, OK, UNSEEN, WARN, judged
from tests.whole_system import WholeSystem, eventually, whole_system

Found = list[dict[str, Any]]


@pytest.fixture(scope="module")
def system(server_directory: Path) -> Iterator[WholeSystem]:
    with whole_system(server_directory / "doctored") as running:
        running.moves_on()
        yield running


def asked(state: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sysmonstm.ctl", "doctor", "--state", str(state), *arguments]
    environ = {name: value for name, value in os.environ.items() if name != "SYSMON_URL"}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)


def found(state: Path) -> Found:
    """What is found, but for what this machine is not asked for in a test."""
    done = asked(state, "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == answer["status"]
    return [one for one in answer["findings"] if one["check"] not in ("clock", "disk")]


def amiss(system: WholeSystem) -> dict[str, str]:
    """The checks that did not end well, with the first sentence of each."""
    return {one["check"]: one["sentence"] for one in reversed(found(system.state)) if one["verdict"] != "ok"}


@contextmanager
def suspended(*pids: int) -> Iterator[None]:
    processes = [psutil.Process(pid) for pid in pids]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def sentences_of(system: WholeSystem) -> dict[str, str]:
    return {one["check"]: one["sentence"] for one in found(system.state)}


def test_all_is_well_with_what_up_runs(system: WholeSystem) -> None:
    # alertd may still wait for the database.
    eventually("alertd knows the machine", lambda: sentences_of(system)["alertd"].endswith("machines: 1"))
    sentences = sentences_of(system)
    assert amiss(system) == {}
    assert sentences["services"] == f"4 daemons run, by `sysmonctl up` with its data in {system.state}"
    assert sentences["sockets"] == "4 sockets answer"
    assert sentences["hub"] == f"the hub at {system.aggregator} answers"
    assert sentences["alertd"] == "alertd answers; rules: 7, machines: 1"
    assert sentences["samples"].startswith("the newest sample of this-machine is ")
    assert sentences["dashboard"] == f"the dashboard at {system.url} has all that it needs"
    assert {"configuration", "versions", "spool", "database", "redis", "descriptors"} <= sentences.keys()


def test_on_a_terminal_each_is_a_line(system: WholeSystem) -> None:
    done = asked(system.state)
    assert done.stderr == ""
    assert "ok    services       4 daemons run" in done.stdout
    assert "\x1b" not in done.stdout, "colours are for terminals"


def test_where_nothing_runs_it_says_how_to_begin(tmp_path: Path) -> None:
    done = asked(tmp_path)
    assert done.returncode == 2
    heading, *fixes = done.stdout.splitlines()
    assert heading.startswith("fail  services       nothing of sysmonstm is installed or runs here")
    assert [fix.split()[0] for fix in fixes] == ["sysmonctl"] * 3


def _of(said: dict[str, str], *checks: str) -> dict[str, str] | None:
    """What is said, if it is of these checks only."""
    return said if said.keys() == set(checks) else None


def test_a_redis_that_hangs_is_named(system: WholeSystem) -> None:
    with suspended(system.pid("redis-server")):
        # The gateway takes a moment to notice.
        said = eventually("both are named", lambda: _of(amiss(system), "redis", "dashboard"))
    assert said["redis"].startswith("Redis does not answer")
    assert said["dashboard"].startswith("the dashboard lacks redis")


def test_a_database_that_hangs_is_named(system: WholeSystem) -> None:
    postmaster = psutil.Process(system.pid("postgres"))
    with suspended(*(child.pid for child in postmaster.children()), postmaster.pid):
        said = eventually("both are named", lambda: _of(amiss(system), "database", "dashboard"))
    assert said["database"].startswith("aggregatord cannot use the database")


def test_an_aggregator_that_hangs_is_named_as_the_hub(system: WholeSystem) -> None:
    with suspended(system.pid("aggregatord")):
        said = amiss(system)
    assert said["hub"] == f"the hub at {system.aggregator} {Reached.SILENT.value}"


def test_a_gateway_that_hangs_is_named(system: WholeSystem) -> None:
    with suspended(system.pid("gatewayd")):
        said = amiss(system)
    assert said == {"dashboard": f"the dashboard at {system.url} does not answer"}


def test_an_alertd_that_hangs_is_named(system: WholeSystem) -> None:
    eventually("all is well", lambda: amiss(system) == {})
    with suspended(system.pid("alertd")):
        said = amiss(system)
    # The dashboard may notice as well.
    assert said.pop("dashboard", "the dashboard lacks alertd").startswith("the dashboard lacks alertd")
    assert said == {"alertd": "alertd takes connections and says nothing: it hangs"}


def test_a_collector_that_hangs_is_named(system: WholeSystem) -> None:
    with suspended(system.pid("collectord")):
        said = eventually("it is silent", lambda: _of(amiss(system), "samples"))
    assert said["samples"].startswith("the newest sample of this-machine is ")
    assert said["samples"].endswith(" old: collectord hangs, or does not reach the hub")
    eventually("it sends again", lambda: amiss(system) == {})


def test_what_else_listens_where_a_hub_should_is_told_apart(tmp_path: Path) -> None:
    def greet(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(100)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=greet, args=(listener,), daemon=True).start()
        assert hub.reach(f"127.0.0.1:{listener.getsockname()[1]}") is Reached.OTHER
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    assert hub.reach(address) is Reached.REFUSED
    assert hub.reach(f"unix:{tmp_path}/none.sock") is Reached.MISSING
    assert hub.reach("no-such-host.invalid:50051") is Reached.UNKNOWN
    assert hub.reach("::::") is Reached.NONSENSE


SERVICE = Unit.of("sysmon-alertd.service", {"LoadState": "loaded", "ActiveState": "active"})


def installed(settings: Path, *daemons: Daemon) -> Place:
    """A place where systemd would run these."""
    return Place(daemons or (Daemon("alertd", service=SERVICE),), "", root=True, settings=settings)


def test_real_files_of_secrets_with_wrong_permissions(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("the files must be root's; run as root")
    (directory := tmp_path / "credentials").mkdir(mode=0o700)
    secret = directory / "redis_url"
    secret.write_text("redis://:secret@localhost\n")
    secret.chmod(0o640)
    judged(credentials.check(installed(tmp_path)), FAIL, f"chmod 600 {secret}")
    secret.chmod(0o600)
    judged(credentials.check(installed(tmp_path)), OK)
    directory.chmod(0o711)
    judged(credentials.check(installed(tmp_path)), WARN, f"chmod 700 {directory}")


def test_a_daemon_is_asked_about_its_own_file_of_settings(tmp_path: Path) -> None:
    (tmp_path / "alertd.toml").write_text('rules_fil = "/nowhere"\n')
    judged(configuration.check(installed(tmp_path)), FAIL, "did you mean rules_file?", f"mend {tmp_path}/alertd.toml")
    (tmp_path / "alertd.toml").write_text("rules_file = " + "[" * 5000)
    judged(configuration.check(installed(tmp_path)), FAIL, "nested too deeply")
    assert installed(tmp_path).setting("alertd", "log_level") == "INFO"
    (tmp_path / "credentials").mkdir(mode=0o700)
    assert [one.verdict for one in credentials.check(installed(tmp_path))] == [OK]
    (tmp_path / "alertd.toml").write_text("")
    judged(configuration.check(installed(tmp_path)), OK)


def test_real_sockets_with_wrong_permissions_and_without_anybody_behind_them(tmp_path: Path) -> None:
    path = tmp_path / "alertd.sock"
    unit = Unit.of("sysmon-alertd.socket", {"ActiveState": "active", "Listen": f"{path} (Stream)"})
    place = installed(tmp_path, Daemon("alertd", service=SERVICE, socket=unit))
    judged(sockets.check(place), FAIL, "is not there")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        path.chmod(0o666)
        judged(sockets.check(place), WARN, "mode 0666, not 0660")
        path.chmod(0o660)
        # Whoever runs this has made it, and that is not the group of the daemons.
        judged(sockets.check(place), FAIL, "not sysmon")
    judged(sockets.check(place), FAIL, "Connection refused")
    inactive = Unit.of("sysmon-alertd.socket", {"ActiveState": "inactive"})
    stopped = installed(tmp_path, Daemon("alertd", service=SERVICE, socket=inactive))
    judged(sockets.check(stopped), FAIL, "does not listen", "systemctl start sysmon-alertd.socket")


def test_without_rights_it_says_what_it_could_not_look_at(server_directory: Path) -> None:
    """As somebody who is nobody: a child, since rights that are given up do not come back."""
    if os.geteuid():
        pytest.skip("only root can become nobody; run as root")
    (settings := server_directory / "settings").mkdir(mode=0o755)
    (settings / "credentials").mkdir(mode=0o700)
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setuid(65534)
        found = credentials.check(installed(settings))
        os._exit(0 if [one.verdict for one in found] == [UNSEEN] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
