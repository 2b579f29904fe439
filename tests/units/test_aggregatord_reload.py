"""sysmon-aggregatord and SIGHUP: what a new configuration changes, and what becomes of a bad one."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import grpc
import psycopg
import pytest

from sysmon.v1 import ingest_pb2_grpc as rpc
from tests.aggregatord.ingest_hub import greeted
from tests.units.conftest import StartsAggregatord
from tests.units.played_systemd import PlayedSystemd
from tests.whole_system import eventually


@pytest.fixture
def configured(aggregatord: StartsAggregatord, tmp_path: Path) -> PlayedSystemd:
    """It runs by a file that the tests change."""
    write(tmp_path, "window = 8")
    return aggregatord(arguments=("--config", str(tmp_path / "aggregatord.toml")))


def write(directory: Path, text: str) -> None:
    (directory / "aggregatord.toml").write_text(text)


def test_a_good_configuration_is_applied_without_a_restart(configured: PlayedSystemd, tmp_path: Path) -> None:
    pid = configured.pid
    write(tmp_path, 'window = 4\nkeep_raw_hours = 24\nlog_level = "DEBUG"')
    said = configured.reload()
    assert said.pid == pid
    reloading = configured.waits_for("RELOADING", "1")
    assert abs(int(reloading.fields["MONOTONIC_USEC"]) / 1e6 - reloading.time) < 60
    (done,) = configured.events("reload.done")
    assert done["fields"] == {"changed": ["log_level", "window", "keep_raw_hours"]}
    assert configured.events("reload.refused") == []
    assert configured.silent_about("RELOADING", 1.0)
    # The level holds at once.
    write(tmp_path, 'window = 4\nkeep_raw_hours = 24\nlog_level = "ERROR"')
    configured.reload()
    assert len(configured.events("reload.done")) == 1


async def test_limits_hold_at_once_for_those_who_come(configured: PlayedSystemd, tmp_path: Path) -> None:
    (listener,) = configured.unit.sockets["ingest"]
    host, port = listener.getsockname()
    async with grpc.aio.insecure_channel(f"{host}:{port}") as channel:
        stub = rpc.IngestStub(channel)
        # The first is there, the second is one too many.
        call, _ = await greeted(stub, "web1")
        write(tmp_path, "machines = 1")
        await asyncio.to_thread(configured.reload)
        with pytest.raises(grpc.aio.AioRpcError, match="RESOURCE_EXHAUSTED"):
            await greeted(stub, "web2")
        write(tmp_path, "machines = 2")
        await asyncio.to_thread(configured.reload)
        await greeted(stub, "web2")
        call.cancel()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("window = 0", "window in "),
        ("widnow = 4", "did you mean window?"),
        ("window = ", "is not TOML"),
        ("keep_raw_hours = 24\nkeep_minutes_days = 1", "AGGREGATOR_KEEP_MINUTES_DAYS"),
        (None, "cannot be read"),
    ],
)
def test_a_bad_configuration_is_refused_and_the_status_says_so_until_it_is_mended(
    configured: PlayedSystemd, tmp_path: Path, text: str | None, reason: str
) -> None:
    pid = configured.pid
    if text is None:
        (tmp_path / "aggregatord.toml").unlink()
    else:
        write(tmp_path, text)
    said = configured.reload()
    assert reason in said.fields["STATUS"]
    (refused,) = configured.events("reload.refused")
    assert reason in str(refused["fields"])
    # It is still there when the daemon has something to say of its own, and nothing has changed.
    configured.says("machines connected")
    assert "refused" in configured.status
    write(tmp_path, "window = 8")
    assert "configuration" not in configured.reload().fields["STATUS"]
    assert configured.events("reload.done")[-1]["fields"] == {"changed": []}
    assert configured.pid == pid


def test_what_needs_a_restart_is_named_and_left_as_it_is(configured: PlayedSystemd, tmp_path: Path) -> None:
    write(tmp_path, 'listen = "127.0.0.1:1"\nwindow = 4')
    said = configured.reload()
    assert "listen changed, and takes effect with a restart" in said.fields["STATUS"]
    assert configured.events("reload.needs_restart")[-1]["fields"] == {"changed": ["listen"]}
    assert configured.events("reload.done")[-1]["fields"] == {"changed": ["window"]}
    write(tmp_path, "window = 4")
    assert "restart" not in configured.reload().fields["STATUS"]


def test_none_of_many_requests_is_lost_and_none_ends_it_however_early_they_come(
    aggregatord: StartsAggregatord, tmp_path: Path
) -> None:
    write(tmp_path, "window = 8")
    systemd = aggregatord(ready=False, arguments=("--config", str(tmp_path / "aggregatord.toml")))
    systemd.start()
    while not _catches_sighup(systemd.pid):
        assert systemd.runs
    # That is before its event loop runs, which could heed it.
    assert "anon_inode:[eventpoll]" not in systemd.descriptors().values()
    os.kill(systemd.pid, signal.SIGHUP)
    systemd.is_ready()
    systemd.logs("reload.done")
    # The second comes while the first is being heeded, and after the file was read.
    write(tmp_path, "window = 7")
    asked = systemd.signal(signal.SIGHUP)
    systemd.waits_for("RELOADING", "1", after=asked)
    write(tmp_path, "window = 6")
    systemd.signal(signal.SIGHUP)
    eventually(
        "the last word holds",
        lambda: len(systemd.events("reload.done")) == 3 and _changed(systemd) in (["window"], []),
    )
    assert systemd.stop() == 0


def _changed(systemd: PlayedSystemd) -> object:
    fields = systemd.events("reload.done")[-1]["fields"]
    assert isinstance(fields, dict)
    return fields["changed"]


def _catches_sighup(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(caught & 1 << signal.SIGHUP - 1)


def _to_children(systemd: PlayedSystemd) -> int:
    """How many descriptors may lead to a child: not the sockets to stores, which come in their own time."""
    return sum(target.startswith(("pipe:", "anon_inode:[pidfd]")) for target in systemd.descriptors().values())


def test_the_child_that_reads_the_settings_inherits_nothing_and_leaves_nothing(
    configured: PlayedSystemd, tmp_path: Path
) -> None:
    base = _to_children(configured)
    for number in range(3):
        write(tmp_path, f"window = {number + 2}")
        configured.reload()
    assert configured.children() == []
    eventually("no descriptor is left of it", lambda: _to_children(configured) <= base)


def test_a_secret_comes_from_a_credential_and_is_in_no_line(
    aggregatord: StartsAggregatord, database_url: str, tmp_path: Path
) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "timescale_url").write_text(f"{database_url} password=hunter2hunter2\n")
    # As an empty SetCredential= leaves it.
    (credentials / "redis_url").write_text("\n")
    systemd = aggregatord(ready=False, settings={"CREDENTIALS_DIRECTORY": str(credentials), "LOG_LEVEL": "DEBUG"})
    systemd.unit.settings = {name: value for name, value in systemd.unit.settings.items() if name != "TIMESCALE_URL"}
    systemd.start()
    systemd.is_ready()
    systemd.logs("database.up")
    systemd.reload()
    with psycopg.connect(database_url) as connection:
        query = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'sysmon-aggregatord'"
        assert connection.execute(query).fetchone() == (True,)
    assert "hunter2" not in systemd.log()
