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


@pytest.mark.nixpkgs
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
    (said,) = WRONG[name]["failed"]
    assert WRONG[name]["says"] in said
    assert "services.sysmonstm." in said


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
        assert hub["services"][f"sysmon-{daemon}"]["after"] == ["postgresql.target", "redis-sysmon.service"]
        assert hub["users"][f"sysmon-{daemon}"]["isSystemUser"] is True
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


def test_where_an_address_changes_systemd_listens_anew() -> None:
    before, after = (RIGHT[name]["services"]["sysmon-sockets"] for name in ("alone", "options"))
    assert before["reloadTriggers"] != after["reloadTriggers"]
    assert before["lines"] == after["lines"]
    (reload,) = after["lines"]["ExecReload"]
    assert reload.endswith("/bin/systemctl try-restart sysmon-aggregatord.socket sysmon-gatewayd.socket")


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
    (command,) = RIGHT["hub"]["services"]["postgresql-setup"]["lines"]["ExecStartPost"]
    assert re.fullmatch(
        r"/nix/store/\w+-postgresql/bin/psql --no-psqlrc --quiet --dbname=postgres "
        r"--file=/nix/store/\w+-sysmonstm-0\.1\.0/share/sysmonstm/sql/database\.sql",
        command,
    )
    assert "postgresql-setup" not in RIGHT["remote"]["services"]
    assert "port=5433" in RIGHT["options"]["etc"]["sysmonstm/alertd.toml"]["settings"]["timescale_url"]
