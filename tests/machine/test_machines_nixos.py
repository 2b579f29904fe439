"""A hub and a machine with what the NixOS module makes: the same units, booted, with nothing but the store replaced."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.machine.fleet import DAEMONS, Fleet, UnixConnection
from tests.machine.machine import Machine, eventually
from tests.machine.nixos import SWITCH, add_system, boot_into, nixos, package_of
from tests.machine.processes import listeners, main_pid, owner
from tests.nix import rendering
from tests.nix.recording import recorded

pytestmark = pytest.mark.machine

HUB = ("nixhub", "10.90.0.2")
WATCHED = ("nixweb", "10.90.0.21")
RIGHT: dict[str, Any] = recorded()["right"]
# Of the host, which a machine of these tests shares.
OF_THE_HOST = {"clock", "disk"}


@dataclass(frozen=True, slots=True)
class Pair:
    """A hub and a machine that sends to it, both booted, the machine into the first of two systems of NixOS."""

    hub: Machine
    watched: Machine
    systems: tuple[str, str]

    def get(self, path: str) -> Any:
        """What the hub's gateway answers, as JSON."""
        connection = UnixConnection(self.hub.path("/run/sysmon/gatewayd.sock"), 30)
        with contextlib.closing(connection):
            connection.request("GET", path)
            return json.load(connection.getresponse())

    def newest(self) -> dict[str, float]:
        """The time of each machine's newest sample."""
        return {one["machine"]: one["time"] or 0.0 for one in self.get("/api/machines")["machines"]}


@pytest.fixture(scope="module", name="pair")
def running_pair(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """In the network of the fleet, which needs not know of them."""
    # Not below /tmp, which is another file system here and there: the trees are layers over those of the fleet.
    directory = fleet.wheel.parents[2]
    hub = nixos(*HUB, RIGHT["hub"], directory, fleet.network, fleet.wheel)
    watched = nixos(*WATCHED, RIGHT["machine"], directory, fleet.network, fleet.wheel)
    watched.write("/etc/hosts", f"127.0.0.1 localhost\n{HUB[1]} hub\n")
    systems = add_system(watched, "one", "1" * 40), add_system(watched, "two", "2" * 40)
    boot_into(watched, systems[0])
    with contextlib.ExitStack() as stack:
        for machine in (hub, watched):
            stack.callback(machine.stop)
            machine.start()
        for machine in (hub, watched):
            machine.wait_until_booted()
        yield Pair(hub, watched, systems)


def test_everything_runs_and_nothing_has_failed(pair: Pair) -> None:
    for machine in (pair.hub, pair.watched):
        eventually(f"{machine.name} has started all", lambda machine=machine: machine.state() == "running")  # type: ignore[misc]
        # systemd gets over one by leaving something out.
        assert "ordering cycle" not in machine.console()
    for daemon in DAEMONS:
        assert pair.hub.show(f"sysmon-{daemon}.service", "ActiveState") == "active"
        command = pair.hub.show(f"sysmon-{daemon}.service", "ExecStart")
        assert f"path={package_of(RIGHT['hub'])}/bin/sysmon-{daemon} " in command
    assert pair.watched.show("sysmon-collectord.service", "ActiveState") == "active"
    assert pair.watched.show("sysmon-aggregatord.service", "LoadState") == "not-found"


def test_units_and_drop_ins_have_no_fault(pair: Pair) -> None:
    units = [f"sysmon-{daemon}.{kind}" for daemon in DAEMONS for kind in ("service", "socket")]
    more = ["sysmon.target", "sysmon-catalog.service", "sysmon-sockets.service"]
    result = pair.hub.ask("systemd-analyze", "verify", *units, *more)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_machines_are_shown_as_they_are(pair: Pair) -> None:
    eventually("both have sent", lambda: pair.newest().keys() >= {HUB[0], WATCHED[0]} and all(pair.newest().values()))
    facts = {one["machine"]: one["facts"] for one in pair.get("/api/machines")["machines"]}
    assert {name: one["hostname"] for name, one in facts.items()} == {name: name for name in facts}
    for name in (HUB[0], WATCHED[0]):
        metrics = {one["metric"]: one["values"] for one in pair.get(f"/api/machines/{name}/metrics")["metrics"]}
        assert metrics["memory.total"][0]["value"] > 0
        assert metrics["systemd.units"][0]["value"] > 0


def test_daemons_have_accounts_that_are_there(pair: Pair) -> None:
    for daemon in DAEMONS:
        uid = owner(pair.hub, main_pid(pair.hub, f"sysmon-{daemon}.service"))
        passwd = pair.hub.path("/etc/passwd").read_text()
        assert f"sysmon-{daemon}:x:{uid}:" in passwd


def test_history_is_in_timescaledb_and_belongs_to_the_aggregator(pair: Pair) -> None:
    def psql(query: str) -> str:
        return pair.hub.run("runuser", "-u", "postgres", "--", "psql", "-At", "-d", "sysmon", "-c", query).strip()

    assert int(psql("SELECT count(*) FROM timescaledb_information.hypertables")) > 0
    owners = psql("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'")
    assert owners == "sysmon-aggregatord"
    eventually("samples are stored", lambda: int(psql("SELECT count(*) FROM frames")) > 2)


def test_the_script_of_the_database_may_run_again(pair: Pair) -> None:
    pair.hub.run("systemctl", "restart", "sysmon-database.service")
    assert pair.hub.show("sysmon-database.service", "ActiveState") == "active"


def test_the_gateway_reads_its_tables_and_no_others(pair: Pair) -> None:
    """A PostgreSQL may have the databases of others too, whose tables are theirs."""
    psql = ["runuser", "-u", "postgres", "--", "psql", "--set=ON_ERROR_STOP=1", "-c"]
    pair.hub.run(*psql, "CREATE DATABASE other")
    pair.hub.run(*psql, "CREATE TABLE secret (word text)", "other")
    reads = ["runuser", "-u", "sysmon-gatewayd", "--", "psql", "-h", "/run/postgresql", "-At", "-c"]
    assert int(pair.hub.run(*reads, "SELECT count(*) FROM frames", "sysmon")) > 0
    refused = pair.hub.ask(*reads, "SELECT * FROM secret", "other")
    assert "permission denied" in refused.stderr
    history = pair.get(f"/api/machines/{HUB[0]}/history?metric=cpu.percent")
    assert history["series"][0]["mean"]


def test_a_rule_of_the_module_holds(pair: Pair) -> None:
    assert "data-disks" in pair.hub.run("/bin/sh", "-c", f"{package_of(RIGHT['hub'])}/bin/sysmonctl rules")


def test_the_journal_explains_entries(pair: Pair) -> None:
    listed = pair.watched.run("journalctl", "--list-catalog")
    assert "sysmonstm:" in listed


def test_a_reload_takes_settings_from_another_file_of_the_store(pair: Pair) -> None:
    before = main_pid(pair.watched, "sysmon-collectord.service")
    file = pair.watched.path("/etc/sysmonstm/collectord.toml")
    old = file.readlink()
    changed = Path("/nix/store/00000000000000000000000000000000-collectord.toml")
    text = pair.watched.path(str(old)).read_text().replace("collection_interval = 5", "collection_interval = 1")
    pair.watched.path(str(changed)).write_text(text)
    file.unlink()
    file.symlink_to(changed)
    pair.watched.run("systemctl", "reload", "sysmon-collectord.service")
    status = "sysmon-collectord.service"
    eventually("it samples more often", lambda: "every 1 s" in pair.watched.show(status, "StatusText"))
    assert main_pid(pair.watched, "sysmon-collectord.service") == before


def test_systemd_listens_anew_where_an_address_has_changed(pair: Pair) -> None:
    """As a switch has it done: the drop-in and the script are others, and sysmon-sockets.service is started again."""
    drop_in = pair.hub.path("/etc/systemd/system/sysmon-gatewayd.socket.d/overrides.conf")
    before = drop_in.read_text()
    assert "ListenStream=[::]:8000" in before

    (path,) = rendering.scripts(RIGHT["hub"])
    script = pair.hub.path(path)
    unmoved = script.read_text()

    def switch(port: int) -> None:
        drop_in.write_text(before.replace("8000", str(port)))
        script.write_text(unmoved.replace("8000", str(port)))
        pair.hub.run("systemctl", "daemon-reload")
        pair.hub.run("systemctl", "restart", "sysmon-sockets.service")

    def ports() -> set[int]:
        return {one.port for one in listeners(pair.hub) if one.owner == 0}

    switch(8001)
    try:
        eventually("it listens there", lambda: ports() == {8001, 50051})
    finally:
        switch(8000)
    eventually("it listens where it did", lambda: ports() == {8000, 50051})
    eventually("the gateway answers", lambda: pair.newest().keys() >= {HUB[0]})


def test_a_file_that_is_named_as_a_secret_and_is_not_there_keeps_the_daemon_from_starting(pair: Pair) -> None:
    lines = RIGHT["remote"]["services"]["sysmon-alertd"]["lines"]
    text = "".join(f"{key}={value}\n" for key in ("LoadCredential", "SetCredential") for value in lines[key])
    drop_in = pair.hub.path("/etc/systemd/system/sysmon-alertd.service.d/secrets.conf")
    drop_in.write_text(f"[Service]\n{text}")
    try:
        pair.hub.run("systemctl", "daemon-reload")
        assert pair.hub.ask("systemctl", "restart", "sysmon-alertd.service").returncode != 0
        secrets = pair.hub.path("/run/secrets")
        secrets.mkdir()
        (secrets / "redis").write_text("unix:///run/redis-sysmon/redis.sock\n")
        (secrets / "database").write_text("host=/run/postgresql user=sysmon-alertd dbname=sysmon\n")
        (secrets / "webhook").write_text("http://127.0.0.1:9/\n")
        secrets.chmod(0o700)
        pair.hub.run("systemctl", "restart", "sysmon-alertd.service")
        pid = main_pid(pair.hub, "sysmon-alertd.service")
        assert pair.hub.path("/run/credentials/sysmon-alertd.service/webhook_url").read_text().startswith("http://")
        assert owner(pair.hub, pid) != 0
    finally:
        drop_in.unlink()
        pair.hub.run("systemctl", "daemon-reload")
        pair.hub.run("systemctl", "restart", "sysmon-alertd.service")


def test_a_switch_is_an_event_with_both_generations_and_says_what_needs_a_reboot(pair: Pair) -> None:
    def facts() -> dict[str, str]:
        machines = pair.get("/api/machines")["machines"]
        found: dict[str, str] = next(one["facts"] for one in machines if one["machine"] == WATCHED[0])
        return found

    def activations() -> list[dict[str, Any]]:
        events = pair.get(f"/api/events?machine={WATCHED[0]}")["events"]
        return [one for one in events if one["kind"] == "system.activated"]

    assert facts()["generation"] == "1"
    assert facts()["system"] == pair.systems[0]
    assert "needs_reboot" not in facts()
    assert activations() == []
    # A switch mostly restarts the collector too: the new one knows what ran before.
    pair.watched.run("sh", "-eu", "-c", f"{SWITCH}systemctl restart sysmon-collectord.service", "sh", pair.systems[1])
    (event,) = eventually("the switch is an event", lambda: activations() or None)
    fields = event["fields"]
    assert (fields["previous_generation"], fields["generation"]) == ("1", "2")
    assert (fields["previous_system"], fields["system"]) == pair.systems
    assert fields["revision"] == "2" * 40
    assert facts()["needs_reboot"] == "kernel, initrd, kernel modules"
    # And one that leaves it alone.
    pair.watched.run("sh", "-eu", "-c", SWITCH, "sh", pair.systems[1])
    eventually("it was activated again", lambda: len(activations()) == 2)


def test_doctor_finds_nothing_wrong(pair: Pair) -> None:
    for machine, scenario in ((pair.hub, "hub"), (pair.watched, "machine")):
        said = machine.ask(f"{package_of(RIGHT[scenario])}/bin/sysmonctl", "doctor", "--json").stdout
        amiss = [
            one
            for one in json.loads(said)["findings"]
            if one["verdict"] in ("fail", "warn") and one["check"] not in OF_THE_HOST
        ]
        assert amiss == []
