"""What the module makes of machines as people configure them: units, settings that the daemons take, and refusals."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.nix import recording, rendering
from tests.nix.recording import recorded

RIGHT: dict[str, Any] = recorded()["right"]
WRONG: dict[str, Any] = recorded()["wrong"]
MISTYPED: dict[str, Any] = recorded()["mistyped"]
COMMAND = "python -m tests.nix.recording (SYSMON_TEST_NIXPKGS_LIB names nixpkgs' lib)"
HUB = ("aggregatord", "gatewayd", "alertd")
SETTINGS = [(name, daemon) for name, scenario in RIGHT.items() for daemon in rendering.daemons(scenario)]


def test_the_recording_is_of_the_sources_as_they_are() -> None:
    assert recorded()["sources"] == recording.digest(), f"something in nix/ or tests/nix/ has changed: {COMMAND}"


@pytest.mark.elsewhere
def test_the_recording_is_what_nix_makes_of_them() -> None:
    if reason := recording.why_not():
        pytest.skip(reason)
    assert {"sources": recording.digest(), **recording.evaluate()} == recorded()


@pytest.mark.parametrize("name", RIGHT)
def test_a_machine_that_is_right_is_not_refused(name: str) -> None:
    assert RIGHT[name]["failed"] == []
    assert MISTYPED[name] is False


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_refused_with_what_mends_it(name: str) -> None:
    said = WRONG[name]["failed"]
    assert [one for one in said if WRONG[name]["says"] in one]
    assert [one for one in said if "services.sysmonstm." not in one] == []


@pytest.mark.parametrize("name", sorted(MISTYPED.keys() - RIGHT.keys()))
def test_what_is_of_another_type_is_refused(name: str) -> None:
    assert MISTYPED[name] is True


@pytest.mark.parametrize(("name", "daemon"), SETTINGS)
def test_a_daemon_finds_its_settings_good(name: str, daemon: str, tmp_path: Path) -> None:
    """As it is asked while the system is built."""
    scenario = RIGHT[name]
    text = rendering.settings(scenario, daemon)
    for number, (path, rules) in enumerate(rendering.rules(scenario).items()):
        (tmp_path / f"rules-{number}.toml").write_text(rules)
        text = text.replace(path, str(tmp_path / f"rules-{number}.toml"))
    file = tmp_path / f"{daemon}.toml"
    file.write_text(text)
    command = [sys.executable, "-m", f"sysmonstm.{daemon}", "--config", str(file), "--check-config"]
    environ = {"PATH": os.defpath, "SSL_CERT_FILE": str(_bundle(tmp_path)), "HOME": "/homeless-shelter"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + text


def _bundle(directory: Path) -> Path:
    """Authorities such as a system has."""
    file = directory / "bundle.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    return file


@pytest.mark.parametrize(("name", "daemon"), SETTINGS)
def test_settings_are_checked_by_the_daemon_that_reads_them(name: str, daemon: str) -> None:
    command = RIGHT[name]["etc"][f"sysmonstm/{daemon}.toml"]["command"]
    assert command.splitlines() == [f"sysmon-{daemon} --config $written --check-config", "cp $written $out"]


def test_a_machine_that_only_sends_has_the_collector_alone() -> None:
    machine = RIGHT["machine"]
    assert rendering.daemons(machine) == ["collectord"]
    assert machine["services"].keys() == {"sysmon-collectord", "sysmon-catalog"}
    assert machine["redis"] == {}
    assert machine["postgresql"]["enable"] is False
    (package,) = machine["packages"]["systemd"]
    assert package.endswith("-sysmonstm-collector-0.1.0")
    assert machine["ports"] == []
    assert machine["etc"]["sysmonstm/collectord.toml"]["settings"]["aggregator_url"] == ["hub:50051"]


def test_a_hub_has_everything_and_watches_itself() -> None:
    hub = RIGHT["hub"]
    assert rendering.daemons(hub) == sorted((*HUB, "collectord"))
    assert hub["etc"]["sysmonstm/collectord.toml"]["settings"]["aggregator_url"] == [
        "unix:/run/sysmon/aggregatord.sock"
    ]
    assert sorted(hub["ports"]) == [8000, 50051]
    assert hub["redis"]["sysmon"]["enable"] is True
    assert hub["redis"]["sysmon"]["port"] == 0
    assert hub["postgresql"]["libraries"] == ["timescaledb"]
    (extension,) = hub["postgresql"]["extensions"]
    assert extension.endswith("-timescaledb-apache")
    for daemon in HUB:
        told = hub["etc"][f"sysmonstm/{daemon}.toml"]["settings"]
        assert told["timescale_url"] == f"host=/run/postgresql user=sysmon-{daemon} dbname=sysmon"
        assert told["redis_url"] == "unix:///run/redis-sysmon/redis.sock"
        assert hub["services"][f"sysmon-{daemon}"]["lines"]["SupplementaryGroups"] == ["redis-sysmon"]
        assert hub["services"][f"sysmon-{daemon}"]["after"] == ["sysmon-database.service", "redis-sysmon.service"]
        assert hub["users"][f"sysmon-{daemon}"]["isSystemUser"] is True
    assert hub["services"]["sysmon-database"]["environment"] == {"PGPORT": "5432"}
    assert hub["targets"]["sysmon"]["wantedBy"] == ["multi-user.target"]


def listening(scenario: dict[str, Any], daemon: str) -> list[str]:
    lines = scenario["sockets"][f"sysmon-{daemon}"].get("lines", {})
    return list(lines.get("ListenStream", []))


def test_sockets_listen_where_they_are_told() -> None:
    assert listening(RIGHT["hub"], "aggregatord") == ["", "[::]:50051", "/run/sysmon/aggregatord.sock"]
    # As the unit has it.
    assert listening(RIGHT["alone"], "aggregatord") == []
    assert listening(RIGHT["options"], "aggregatord") == ["", "0.0.0.0:50052", "/run/sysmon/aggregatord.sock"]
    at = ["", "192.0.2.7:8001", "127.0.0.1:8001", "/run/sysmon/gatewayd.sock"]
    assert listening(RIGHT["options"], "gatewayd") == at
    assert listening(RIGHT["gateway-only"], "gatewayd")[1] == "[2001:db8::7]:8080"


def test_nothing_is_open_unless_somebody_says_so() -> None:
    for scenario in (RIGHT["alone"], RIGHT["remote"], RIGHT["gateway-only"]):
        assert scenario["ports"] == []
    assert RIGHT["options"]["ports"] == [50052]


def test_where_an_address_changes_systemd_listens_anew(tmp_path: Path) -> None:
    """As it is run at a boot, at a switch that changes nothing, and at one that moves a port."""
    log, known = tmp_path / "log", tmp_path / "known"
    known.mkdir()
    command = tmp_path / "systemctl"
    command.write_text(f'#!/bin/sh\necho "$*" >>{log}\n')
    command.chmod(0o755)

    def switch(name: str) -> list[str]:
        log.write_text("")
        unit = RIGHT[name]["services"]["sysmon-sockets"]
        assert unit["lines"]["RuntimeDirectoryPreserve"] == ["true"]
        script = unit["script"].replace("/run/sysmon-sockets", str(known))
        subprocess.run(["sh", "-eu", "-c", script], env={"PATH": f"{tmp_path}:{os.defpath}"}, check=True)
        return log.read_text().splitlines()

    assert switch("alone") == []
    assert switch("alone") == []
    assert switch("options") == [
        "--no-block try-restart sysmon-aggregatord.socket",
        "--no-block try-restart sysmon-gatewayd.socket",
    ]
    assert switch("hub") == [
        "--no-block try-restart sysmon-aggregatord.socket",
        "--no-block try-restart sysmon-gatewayd.socket",
    ]
    assert switch("hub") == []


@pytest.mark.parametrize("name", RIGHT)
def test_a_daemon_is_restarted_in_place_and_reloaded_where_that_is_enough(name: str) -> None:
    scenario = RIGHT[name]
    for daemon in rendering.daemons(scenario):
        service = scenario["services"][f"sysmon-{daemon}"]
        assert service["stopIfChanged"] is False
        assert service["reloadTriggers"] == [scenario["etc"][f"sysmonstm/{daemon}.toml"]["path"]]
        assert len(service["restartTriggers"]) == 1


def triggers(name: str, daemon: str) -> tuple[str, str]:
    """What reloads the daemon and what restarts it, on one of the machines."""
    service = RIGHT[name]["services"][f"sysmon-{daemon}"]
    return service["reloadTriggers"][0], service["restartTriggers"][0]


def test_rules_take_a_reload_and_an_address_a_restart() -> None:
    assert triggers("alone", "alertd")[0] != triggers("hub", "alertd")[0]
    assert triggers("alone", "alertd")[1] == triggers("hub", "alertd")[1]
    assert triggers("alone", "aggregatord")[1] != triggers("remote", "aggregatord")[1]


def test_secrets_are_credentials_and_in_no_file() -> None:
    remote = RIGHT["remote"]
    lines = remote["services"]["sysmon-alertd"]["lines"]
    assert lines["LoadCredential"] == [
        "",
        "redis_url:/run/secrets/redis",
        "timescale_url:/run/secrets/database",
        "webhook_url:/run/secrets/webhook",
    ]
    # What is named must be there: nothing stands for it.
    assert lines["SetCredential"] == [""]
    for daemon in rendering.daemons(remote):
        assert remote["etc"][f"sysmonstm/{daemon}.toml"]["settings"].keys() & {"redis_url", "timescale_url"} == set()


def test_certificates_are_credentials() -> None:
    lines = RIGHT["tls-hub"]["services"]["sysmon-aggregatord"]["lines"]
    assert "aggregator_tls_key:/var/lib/acme/hub/key.pem" in lines["LoadCredential"]
    assert "aggregator_tls_client_ca:/etc/ca.pem" in lines["LoadCredential"]
    # The others may still be put by hand to where the unit looks.
    assert "redis_url:/etc/sysmonstm/credentials/redis_url" in lines["LoadCredential"]
    assert lines["SetCredential"] == ["", r"redis_url:\n", r"timescale_url:\n"]
    assert RIGHT["options"]["etc"]["sysmonstm/collectord.toml"]["settings"]["tls_ca"] == "system"


def test_the_revision_of_a_configuration_is_in_its_own_generation() -> None:
    assert RIGHT["options"]["etc"]["sysmonstm/configuration-revision"]["text"] == f"{'0123456789abcdef' * 2}01234567\n"
    assert "sysmonstm/configuration-revision" not in RIGHT["machine"]["etc"]


def test_the_database_is_made_by_the_script_that_makes_it_elsewhere() -> None:
    unit = RIGHT["hub"]["services"]["sysmon-database"]
    (command,) = unit["lines"]["ExecStart"]
    assert re.fullmatch(
        r"/nix/store/\w+-postgresql/bin/psql --no-psqlrc --quiet --dbname=postgres "
        r"--file=/nix/store/\w+-sysmonstm-0\.1\.0/share/sysmonstm/sql/database\.sql",
        command,
    )
    assert unit["lines"]["User"] == ["postgres"]
    assert "sysmon-database" not in RIGHT["remote"]["services"]
    assert RIGHT["options"]["services"]["sysmon-database"]["environment"] == {"PGPORT": "5433"}
    assert "port=5433" in RIGHT["options"]["etc"]["sysmonstm/alertd.toml"]["settings"]["timescale_url"]


def test_postgresql_that_others_use_too_is_not_touched_by_a_new_package() -> None:
    """What requires postgresql.target is stopped where a unit stops that this requires."""
    for scenario in RIGHT.values():
        assert [name for name in scenario["services"] if not name.startswith("sysmon-")] == []


@pytest.mark.parametrize("name", RIGHT)
def test_each_daemon_has_an_account_and_starts_with_the_target(name: str) -> None:
    scenario = RIGHT[name]
    units = {f"sysmon-{daemon}" for daemon in rendering.daemons(scenario)}
    assert scenario["users"].keys() == units
    assert all(one["group"] == account and one["isSystemUser"] for account, one in scenario["users"].items())
    assert set(scenario["groups"]) == units | {"sysmon"}
    for unit in units:
        assert scenario["services"][unit]["wantedBy"] == ["sysmon.target"]
        assert scenario["sockets"][unit]["wantedBy"] == ["sysmon.target"]
    assert scenario["packages"]["system"] == scenario["packages"]["systemd"]
    (rules,) = scenario["tmpfiles"].values()
    ((path, kinds),) = rules.items()
    assert path == "/usr/local/lib/systemd/catalog/sysmonstm.catalog"
    assert kinds["L+"]["argument"].startswith(scenario["packages"]["systemd"][0])
    assert scenario["services"]["sysmon-catalog"]["restartTriggers"] == scenario["packages"]["systemd"]


def test_the_port_of_collectors_is_kept_for_them() -> None:
    name = "net.ipv4.ip_local_reserved_ports"
    assert RIGHT["alone"]["sysctl"] == {name: "50051"}
    assert RIGHT["options"]["sysctl"] == {name: "50052"}
    assert RIGHT["machine"]["sysctl"] == RIGHT["gateway-only"]["sysctl"] == {}


def test_a_socket_may_be_there_before_its_address() -> None:
    assert RIGHT["options"]["sockets"]["sysmon-gatewayd"]["lines"]["FreeBind"] == ["true"]


def test_redis_keeps_nothing_on_disk() -> None:
    assert RIGHT["hub"]["redis"]["sysmon"]["save"] == []


def test_settings_come_before_options() -> None:
    etc = RIGHT["both"]["etc"]
    assert etc["sysmonstm/collectord.toml"]["settings"]["collection_interval"] == 1
    assert etc["sysmonstm/aggregatord.toml"]["settings"]["keep_raw_hours"] == 24
    assert etc["sysmonstm/gatewayd.toml"]["settings"]["allowed_hosts"] == ["two.example.org"]


def test_options_become_settings() -> None:
    etc = RIGHT["options"]["etc"]
    assert etc["sysmonstm/collectord.toml"]["settings"] == {
        "aggregator_url": ["unix:/run/sysmon/aggregatord.sock"],
        "collection_interval": 2.5,
        "machine_id": "hub-1",
        "tags": ["hub", "rack:4"],
        "tls_ca": "system",
    }
    told = etc["sysmonstm/aggregatord.toml"]["settings"]
    kept = ("keep_raw_hours", "keep_minutes_days", "keep_hours_days", "forget_after_days")
    assert [told[name] for name in kept] == [24, 14, 365, 90]
    # The system's authorities are no file to be copied.
    assert "lines" not in RIGHT["options"]["services"]["sysmon-collectord"] or not RIGHT["options"]["services"][
        "sysmon-collectord"
    ]["lines"].get("LoadCredential")


def test_parts_of_a_hub_can_be_switched_off() -> None:
    assert rendering.daemons(RIGHT["without-gateway-and-collector"]) == ["aggregatord", "alertd"]


MACHINES: dict[str, Any] = recorded()["machines"]


@pytest.mark.parametrize("test", MACHINES)
def test_the_machines_of_a_test_can_be_evaluated_before_and_after_a_switch(test: str) -> None:
    for node in MACHINES[test].values():
        assert node["failed"] == []
        assert all(failed == [] for failed in node["specialisations"].values())


def test_what_a_machine_must_not_have_is_said_so_that_the_build_understands_it() -> None:
    """NixOS puts each into a script as it is."""
    regexes = MACHINES["fleet"]["web1"]["regexes"]
    assert "-redis-[0-9]" in regexes
    for regex in regexes:
        script = f'if [[ {regex} != "" && -n $closure ]]; then echo /nix/store/x-redis-8.0 | grep -E -- "{regex}"; fi'
        subprocess.run(["bash", "-n", "-c", script], check=True)


@pytest.mark.elsewhere
def test_the_check_of_the_flake_has_all_that_an_evaluation_reads(tmp_path: Path) -> None:
    if reason := recording.why_not():
        pytest.skip(reason)
    text = (recording.ROOT / "nix/checks.nix").read_text()
    listed = re.findall(r"^      (\.\.?/[\w./-]+)$", text, re.MULTILINE)
    files = [(recording.ROOT / "nix" / one).resolve() for one in listed]
    files += [file for pattern in ("*.nix", "nix/**/*.nix", "tests/nix/*.nix") for file in recording.ROOT.glob(pattern)]
    for file in files:
        copy = tmp_path / file.relative_to(recording.ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    command = ["nix-instantiate", "--eval", "--strict", "--json", "--readonly-mode", "tests/nix/evaluate.nix"]
    library = Path(os.environ[recording.LIBRARY]).resolve()
    done = subprocess.run(
        [*command, "--arg", "library", str(library)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
