"""The module says of settings what the daemons say: which there are, what is a secret, and what takes a restart."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from sysmonstm.aggregatord.settings import AggregatorSettings
from sysmonstm.alertd.settings import AlertSettings
from sysmonstm.collectord.settings import CollectorSettings
from sysmonstm.config import SECRET, Settings, credential_files, fields, fixed
from sysmonstm.gatewayd.settings import GatewaySettings
from sysmonstm.listen import parse_address
from tests.nix.recording import ROOT, recorded

RIGHT: dict[str, Any] = recorded()["right"]
OPTIONS: dict[str, dict[str, Any]] = {
    one["name"].removeprefix("services.sysmonstm."): one for one in recorded()["options"]
}
# Each with the name that its options have.
PARTS: dict[str, type[Settings]] = {
    "collector": CollectorSettings,
    "aggregator": AggregatorSettings,
    "gateway": GatewaySettings,
    "alerts": AlertSettings,
}
DAEMONS = {"collector": "collectord", "aggregator": "aggregatord", "gateway": "gatewayd", "alerts": "alertd"}
# What systemd hands over, and so nobody sets: sockets.
HANDED_OVER = {"listen", "control"}
# On which of the recorded machines a part is given a credential.
GIVEN = {"collector": "tls-machine", "aggregator": "tls-hub", "gateway": "tls-hub", "alerts": "remote"}


def typed(part: str) -> dict[str, str]:
    """The options of a part, and the settings that they become."""
    names = {
        "collector": {
            "aggregatorUrls": "aggregator_url",
            "machineId": "machine_id",
            "interval": "collection_interval",
            "tags": "tags",
            "tls.caFile": "tls_ca",
            "tls.certificateFile": "tls_certificate",
            "tls.keyFile": "tls_key",
        },
        "aggregator": {
            "retention.rawHours": "keep_raw_hours",
            "retention.minutesDays": "keep_minutes_days",
            "retention.hoursDays": "keep_hours_days",
            "retention.forgetAfterDays": "forget_after_days",
            "tls.certificateFile": "tls_certificate",
            "tls.keyFile": "tls_key",
            "tls.clientCaFile": "tls_client_ca",
            "listenAddress": "listen",
            "port": "listen",
        },
        "gateway": {
            "allowedHosts": "allowed_hosts",
            "tls.certificateFile": "tls_certificate",
            "tls.keyFile": "tls_key",
            "listenAddress": "listen",
            "port": "listen",
        },
        "alerts": {"rules": "rules_file", "webhookUrlFile": "webhook_url"},
    }
    return names[part]


@pytest.mark.parametrize("part", PARTS)
def test_every_option_is_a_switch_or_becomes_a_setting_that_there_is(part: str) -> None:
    of_part = {name.removeprefix(f"{part}.") for name in OPTIONS if name.startswith(f"{part}.")}
    assert of_part - {"enable", "openFirewall", "settings"} == typed(part).keys()
    assert set(typed(part).values()) <= set(fields(PARTS[part]))


@pytest.mark.parametrize("part", PARTS)
def test_every_setting_can_be_said(part: str) -> None:
    """By an option of its own, by the stores that all share, or among the settings of the recorded machine."""
    by_name = set(RIGHT["settings"]["etc"][f"sysmonstm/{DAEMONS[part]}.toml"]["settings"])
    by_option = {setting for option, setting in typed(part).items() if option != "listenAddress"}
    assert set(fields(PARTS[part])) == by_name | by_option | (HANDED_OVER & set(fields(PARTS[part])))


@pytest.mark.parametrize("part", PARTS)
def test_what_takes_a_restart_is_what_a_running_daemon_cannot_change(part: str) -> None:
    text = (ROOT / f"nix/module/{part}.nix").read_text()
    (listed,) = re.findall(r"fixed = \[\n(.*?)\n\s*\];", text, re.DOTALL)
    assert set(re.findall(r'"(\w+)"', listed)) == fixed(PARTS[part])


@pytest.mark.parametrize("part", PARTS)
def test_what_restarts_is_told_by_its_value(part: str) -> None:
    told = RIGHT["settings"]["etc"][f"sysmonstm/{DAEMONS[part]}.toml"]["settings"]
    (trigger,) = RIGHT["settings"]["services"][f"sysmon-{DAEMONS[part]}"]["restartTriggers"]
    assert json.loads(trigger) == {name: told[name] for name in fixed(PARTS[part]) if name in told}


@pytest.mark.parametrize("part", PARTS)
def test_every_secret_and_certificate_can_be_a_credential(part: str) -> None:
    settings = PARTS[part]
    names = {field for field in fields(settings) if field in SECRET} | set(credential_files(settings).values())
    lines = RIGHT[GIVEN[part]]["services"][f"sysmon-{DAEMONS[part]}"]["lines"]["LoadCredential"]
    assert {line.partition(":")[0] for line in lines if line} == names


def default(option: str) -> Any:
    return json.loads(OPTIONS[option]["default"])


def test_defaults_are_those_of_the_daemons() -> None:
    collector, aggregator, gateway = CollectorSettings(), AggregatorSettings(), GatewaySettings()
    assert default("collector.interval") == collector.collection_interval
    assert default("aggregator.retention.rawHours") == aggregator.keep_raw_hours
    assert default("aggregator.retention.minutesDays") == aggregator.keep_minutes_days
    assert default("aggregator.retention.hoursDays") == aggregator.keep_hours_days
    assert default("aggregator.retention.forgetAfterDays") == aggregator.forget_after_days
    assert default("aggregator.port") == parse_address(aggregator.listen).port
    assert default("gateway.port") == parse_address(gateway.listen).port
    assert default("gateway.allowedHosts") == list(gateway.allowed_hosts)


def test_every_option_is_described_and_nothing_is_on_by_itself() -> None:
    for name, one in OPTIONS.items():
        assert one["description"].strip().endswith("."), name
        if name.endswith((".enable", ".openFirewall", ".createLocally")):
            assert default(name) is False, name
        elif not name.endswith(("listenAddress", ".port")) and "retention" not in name:
            assert one["example"] is not None or name == "package", f"{name} has no example"
