"""Settings of the collector are good, or one line says what is not."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from sysmonstm.collectord.settings import CollectorSettings
from sysmonstm.config import UserError, load
from sysmonstm.wire import MACHINE_NAME


def test_without_settings_it_has_the_hosts_name_and_the_local_aggregator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "web1")
    settings = load(CollectorSettings, {})
    assert settings.machine_id == "web1"
    assert MACHINE_NAME.fullmatch(settings.machine_id)
    assert settings.aggregator_url == ("127.0.0.1:50051",)
    assert (settings.collection_interval, settings.deadline) == (5.0, 2.0)
    assert (settings.spool_bytes, settings.spool_free_bytes) == (512 * 2**20, 256 * 2**20)


@pytest.mark.parametrize(
    ("user", "environ", "directory"),
    [
        (0, {}, "/var/lib/sysmonstm/collector"),
        (0, {"XDG_STATE_HOME": "/xdg"}, "/var/lib/sysmonstm/collector"),
        (1000, {"HOME": "/home/me"}, "/home/me/.local/state/sysmonstm/collector"),
        (1000, {"HOME": "/home/me", "XDG_STATE_HOME": "/xdg"}, "/xdg/sysmonstm/collector"),
        (1000, {"STATE_DIRECTORY": "/var/lib/private/collector:/other"}, "/var/lib/private/collector"),
        (0, {"STATE_DIRECTORY": "/state", "COLLECTOR_SPOOL_DIRECTORY": "/mine"}, "/mine"),
    ],
)
def test_samples_are_kept_where_it_is_told_then_where_systemd_says_then_in_the_customary_place(
    user: int, environ: dict[str, str], directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STATE_DIRECTORY", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert load(CollectorSettings, {"COLLECTOR_MACHINE_ID": "a", **environ}).spool_directory == Path(directory)


def test_several_aggregators_can_be_named() -> None:
    given = "hub:50051, [::1]:50051,10.0.0.1:1,unix:/run/sysmon/ingest"
    settings = load(CollectorSettings, {"COLLECTOR_MACHINE_ID": "a", "COLLECTOR_AGGREGATOR_URL": given})
    assert settings.aggregator_url == ("hub:50051", "[::1]:50051", "10.0.0.1:1", "unix:/run/sysmon/ingest")


@pytest.mark.parametrize(
    "address",
    ["", "hub", "hub:", "hub:0", "hub:65536", "http://hub:50051", "unix:", "unix:run", "unix:/", "a b:1", "::1"],
)
def test_an_address_that_is_none_is_refused_by_name(address: str) -> None:
    with pytest.raises(
        UserError, match=r"COLLECTOR_AGGREGATOR_URL: .*(at least one address|neither host:port nor unix:/path)"
    ):
        load(CollectorSettings, {"COLLECTOR_MACHINE_ID": "a", "COLLECTOR_AGGREGATOR_URL": address})


def test_tags_are_words_in_the_order_given() -> None:
    assert load(CollectorSettings, {"COLLECTOR_MACHINE_ID": "a"}).tags == ()
    given = {"COLLECTOR_MACHINE_ID": "a", "COLLECTOR_TAGS": "web, prod,rack:4,"}
    assert load(CollectorSettings, given).tags == ("web", "prod", "rack:4")


@pytest.mark.parametrize(
    ("tags", "sentence"),
    [
        ("web,my rack", "'my rack' is no tag: at most 64 letters, digits, and any of"),
        ("x" * 65, "is no tag"),
        ("<b>", "is no tag"),
        ("web,prod,web", "web is given twice"),
        (",".join(map(str, range(17))), "at most 16 tags, not 17"),
    ],
)
def test_tags_that_the_hub_would_refuse_are_refused_here_in_a_line(tags: str, sentence: str) -> None:
    with pytest.raises(UserError, match=f"COLLECTOR_TAGS: .*{sentence}.*; it is: Words by which") as refusal:
        load(CollectorSettings, {"COLLECTOR_MACHINE_ID": "a", "COLLECTOR_TAGS": tags})
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("name", ["", "my laptop", "-x", "a/b", "ä", "a" * 129, "a\n"])
def test_a_machine_name_that_the_hub_would_refuse_is_refused_here(name: str) -> None:
    with pytest.raises(UserError, match=r"COLLECTOR_MACHINE_ID: a machine's name is at most 128"):
        load(CollectorSettings, {"COLLECTOR_MACHINE_ID": name})


def test_a_hostname_that_is_no_machine_name_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "my laptop")
    with pytest.raises(UserError, match=r"COLLECTOR_MACHINE_ID must be set: .* a machine's name is"):
        load(CollectorSettings, {}).check()


@pytest.mark.parametrize("seconds", ["0.09", "3601", "nan", "soon"])
def test_an_interval_out_of_range_is_refused(seconds: str) -> None:
    with pytest.raises(UserError, match="COLLECTOR_COLLECTION_INTERVAL"):
        load(CollectorSettings, {"COLLECTOR_MACHINE_ID": "a", "COLLECTOR_COLLECTION_INTERVAL": seconds})


def test_the_deadline_leaves_room_in_the_interval() -> None:
    settings = load(CollectorSettings, {"COLLECTOR_MACHINE_ID": "a", "COLLECTOR_COLLECTION_INTERVAL": "1"})
    assert settings.deadline == pytest.approx(0.8)
