"""Secrets that lie elsewhere than install puts them, as a NixOS configuration names them, are found and looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from sysmonstm.ctl.doctor import accounts, asking, credentials, units
from sysmonstm.ctl.doctor.asking import Said
from sysmonstm.ctl.doctor.place import CREDENTIALS, Daemon, Place
from sysmonstm.ctl.doctor.units import Unit
from tests.ctl.judging import FAIL, OK, WARN, judged

SERVICE = Unit.of("sysmon-alertd.service", {"LoadState": "loaded"})


def place(settings: Path, given: Mapping[str, Path]) -> Place:
    return Place((Daemon("alertd", service=SERVICE, credentials=given),), "", root=True, settings=settings)


def secret(file: Path, text: str, mode: int = 0o400) -> Path:
    file.write_text(text)
    file.chmod(mode)
    return file


def test_a_secret_elsewhere_is_what_the_daemon_is_told(tmp_path: Path) -> None:
    file = secret(tmp_path / "database", "host=/run/postgresql dbname=other\n")
    here = place(tmp_path / "etc", {"timescale_url": file})
    assert here.setting("alertd", "timescale_url") == "host=/run/postgresql dbname=other"
    judged(credentials.check(here), OK)


def test_a_certificate_elsewhere_is_told_by_its_path(tmp_path: Path) -> None:
    file = secret(tmp_path / "ca.pem", "---\n", 0o444)
    daemon = Daemon("collectord", service=SERVICE, credentials={"collector_tls_ca": file})
    here = Place((daemon,), "", root=True, settings=tmp_path / "etc")
    assert here.setting("collectord", "tls_ca") == str(file)
    judged(credentials.check(here), OK)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    here = place(tmp_path, {"webhook_url": tmp_path / "secrets/webhook"})
    (found, _) = credentials.check(here)
    judged([found], FAIL, f"{tmp_path}/secrets/webhook, of which alertd is to have a copy as webhook_url, is not there")


def test_where_install_puts_them_files_may_be_absent(tmp_path: Path) -> None:
    judged(credentials.check(place(tmp_path, {"webhook_url": CREDENTIALS / "webhook_url"})), OK)


def test_a_secret_that_everybody_can_read_is_named(tmp_path: Path) -> None:
    here = place(tmp_path, {"redis_url": secret(tmp_path / "redis", "redis://:word@redis", 0o444)})
    (found, _) = credentials.check(here)
    judged([found], WARN, "is a secret that everybody can read", f"chmod o= {tmp_path}/redis")


def test_systemd_is_asked_on_the_bus_for_what_it_cannot_print(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def command(words: list[str]) -> Said:
        asked.append(words)
        return Said(True, '{"type":"a(ss)","data":[["webhook_url","/run/secrets/a"],["other","relative"]]}\n', "")

    monkeypatch.setattr(asking, "command", command)
    assert units.credentials("sysmon-alertd.service") == {"webhook_url": Path("/run/secrets/a")}
    assert "/org/freedesktop/systemd1/unit/sysmon_2dalertd_2eservice" in asked[0]


def test_accounts_that_are_there_need_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"TIMESCALE_URL": "host=/run/postgresql dbname=sysmon"}
    names = ("aggregatord", "gatewayd", "alertd")
    here = Place(tuple(Daemon(one, 1, told, service=SERVICE) for one in names), "", settings=tmp_path)
    passwd = tmp_path / "passwd"
    monkeypatch.setattr(accounts, "PASSWD", passwd)
    monkeypatch.setattr(accounts, "NSSWITCH", tmp_path / "nsswitch.conf")
    passwd.write_text("".join(f"sysmon-{one}:x:99{at}:\n" for at, one in enumerate(names)))
    judged(accounts.check(here), OK, "have accounts")
    passwd.write_text("root:x:0:\nsysmon-alertd:x:991:\n")
    judged(accounts.check(here), FAIL)
