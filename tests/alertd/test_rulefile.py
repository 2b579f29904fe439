"""What people may write into a file of rules, and what they are told if it is not good."""

from __future__ import annotations

from pathlib import Path

import pytest

from sysmonstm import config
from sysmonstm.alertd.alerts import Key, limit_sentence
from sysmonstm.alertd.rulefile import load_rules, parse_rules
from sysmonstm.alertd.rules import Comparison, Limit, Reading, Rule, Severity, Step
from sysmonstm.alertd.settings import AlertSettings
from sysmonstm.collectord.probes import CATALOGUE
from sysmonstm.config import UserError

DEFAULTS = {rule.name: rule for rule in load_rules(None)}
MINUTE = 60_000_000
README = Path(__file__).parents[2] / "README.md"


GOOD = '[rules.x]\nmetric = "a.b"\nthreshold = 1'


def by_name(text: str) -> dict[str, Rule]:
    return {rule.name: rule for rule in parse_rules(text, "rules.toml")}


def test_the_default_rules_watch_cpu_memory_filesystems_units_and_silence() -> None:
    watched = {rule.limit.metric if rule.limit else "" for rule in DEFAULTS.values()}
    assert watched == {"cpu.percent", "memory.percent", "filesystem.percent", "unit.failed", ""}
    assert DEFAULTS["cpu-high"] == Rule(
        "cpu-high", Severity.WARNING, 10 * MINUTE, Limit("cpu.percent", Comparison.ABOVE, 90, 80)
    )
    assert DEFAULTS["machine-silent"] == Rule("machine-silent", Severity.CRITICAL, MINUTE // 2, None)


def test_a_rule_has_all_its_keys() -> None:
    rules = by_name("""
        [rules.low]
        metric = "probe.success"
        instance = "d*"
        machine = "web*"
        comparison = "<"
        threshold = 0.5
        clear = 1
        for = 90
        severity = "info"
    """)
    limit = Limit("probe.success", Comparison.BELOW, 0.5, 1.0, "d*")
    assert rules.pop("low") == Rule("low", Severity.INFO, 90_000_000, limit, "web*")
    assert rules == DEFAULTS


def test_the_readmes_rule_of_machines_that_need_a_reboot_is_good() -> None:
    text = README.read_text().split("<!-- rules: checked by tests/alertd/test_rulefile.py -->\n```toml\n")[1]
    rule = by_name(text.partition("```")[0])["needs-reboot"]
    assert rule.limit == Limit("nixos.needs_reboot", Comparison.ABOVE, 0, 0)
    assert rule.limit.metric in {metric.name for metric in CATALOGUE}
    assert rule.hold_us == 24 * 60 * MINUTE


def test_a_table_with_a_default_rules_name_changes_only_what_it_says() -> None:
    changed = by_name('[rules.cpu-high]\nfor = "2m"')["cpu-high"]
    assert changed == Rule("cpu-high", Severity.WARNING, 2 * MINUTE, DEFAULTS["cpu-high"].limit)


def test_a_rule_can_be_switched_off() -> None:
    assert by_name("[rules.cpu-high]\nenabled = false").keys() == DEFAULTS.keys() - {"cpu-high"}


def test_the_default_rules_can_all_be_dropped() -> None:
    rules = by_name('defaults = false\n[rules.gone]\nsilent = true\nmachine = "db*"')
    assert list(rules.values()) == [Rule("gone", Severity.WARNING, 0, None, "db*")]


@pytest.mark.parametrize(
    ("written", "microseconds"),
    [("0", 0), ("2.5", 2_500_000), ('"90s"', 90_000_000), ('"1h30m"', 90 * MINUTE), ('"1h 5s"', 3_605_000_000)],
)
def test_durations_are_seconds_or_words(written: str, microseconds: int) -> None:
    text = f'[rules.x]\nmetric = "a.b"\nthreshold = 1\nfor = {written}'
    assert by_name(text)["x"].hold_us == microseconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[rules.x]\nmetric = "a.b"\ntreshold = 1', ["rule x", "treshold", "did you mean threshold?"]),
        (
            "[rules.cpu-hihg]\nenabled = false",
            ["metric is missing", "did you mean the rule cpu-high?"],
        ),
        ('[rules.x]\nmetric = "a.b"\nthreshold = "lots"', ["rule x", "threshold", "'lots'"]),
        ('[rules.x]\nmetric = "a.b"\nthreshold = nan', ["rule x", "threshold", "finite"]),
        ('[rules.x]\nmetric = "cpu"\nthreshold = 1', ["rule x", "metric", "cpu.percent"]),
        ('[rules.x]\nmetric = "a.b"\nthreshold = 1\nfor = "soon"', ["rule x", "for", "90s"]),
        ('[rules.x]\nmetric = "a.b"\nthreshold = 1\nfor = -1', ["rule x", "for", "-1"]),
        ('[rules.x]\nmetric = "a.b"\nthreshold = 1\nseverity = "bad"', ["rule x", "severity", "critical"]),
        ('[rules.x]\nmetric = "a.b"\nthreshold = 1\ncomparison = "=="', ["rule x", "comparison", "'>='"]),
        ('[rules.x]\nmetric = "a.b"\nthreshold = 1\nclear = 2', ["rule x", "clear (2) must be below"]),
        ('[rules.x]\nmetric = "a.b"\nthreshold = 2\ncomparison = "<"\nclear = 1', ["clear (1) must be above"]),
        ("[rules.cpu-high]\nthreshold = 70", ["rule cpu-high", "clear (80)", "set both"]),
        ('[rules.x]\nsilent = true\nmetric = "a.b"', ["rule x", "metric is not a key of such a rule"]),
        ("[rules.x]\nsilent = false", ["rule x", "silent"]),
        ('[rules."a b"]\nsilent = true', ["'a b'", "no rule's name"]),
        ("[rule.x]\nsilent = true", ["rule in rules.toml", "did you mean rules?"]),
        ('defaults = "no"', ["defaults", "true or false"]),
        ("rules = 3", ["rules", "[rules.its-name]"]),
        ("[rules]\nx = 3", ["x in rules.toml", "[rules.x]"]),
        ("[rules", ["rules.toml is not TOML"]),
        (f'{GOOD}\nmessage = "{{hots}} is ill"', ["rule x", "message: {hots} stands for nothing", "{machine}"]),
        (f'{GOOD}\nmessage = "{{machin}} is ill"', ["did you mean {machine}?"]),
        (f'{GOOD}\nresolved = "a\\u001bb"', ["resolved: not a sentence of at most 200 characters"]),
        (f'{GOOD}\nmessage = "{"x" * 201}"', ["message: not a sentence of at most 200 characters"]),
        (f"{GOOD}\nmessage = 3", ["rule x", "message"]),
    ],
)
def test_a_bad_file_is_named_in_one_line_with_what_to_do(text: str, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        parse_rules(text, "rules.toml")
    message = str(caught.value)
    assert "\n" not in message and "rules.toml" in message
    assert [word for word in words if word not in message] == []


def said(rule: Rule, step: Step, instance: str = "nginx.service", value: float = 1.0) -> str:
    assert rule.limit
    return limit_sentence(Key(rule.name, "web1", instance), rule, rule.limit, "count", step, value)


def test_a_failed_unit_is_told_of_in_words_that_people_use() -> None:
    rule = DEFAULTS["unit-failed"]
    assert rule.limit
    assert [rule.limit.read(value) for value in (1.0, 0.0)] == [Reading.HOLDS, Reading.CLEAR]
    assert said(rule, Step.FIRED) == "nginx.service on web1 has failed"
    assert said(rule, Step.RESOLVED, value=0.0) == "nginx.service on web1 is no longer failed"


def test_a_rule_may_have_words_of_its_own_and_what_a_machine_says_is_not_looked_at_again() -> None:
    text = f'{GOOD}\nmessage = "{{instance}} of {{machine}} reads {{value}}, {{value}}!"'
    rule = by_name(text)["x"]
    assert said(rule, Step.FIRED, instance="{machine}", value=1234.0) == "{machine} of web1 reads 1,234, 1,234!"
    assert said(rule, Step.RESOLVED) == "web1: a.b of nginx.service is back at 1"


def test_checking_the_settings_reads_the_rules(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    settings = config.load(AlertSettings, {"ALERTS_RULES_FILE": str(file)})
    with pytest.raises(UserError, match=r"cannot be read: No such file"):
        settings.check()
    file.write_bytes(b"\xff")
    with pytest.raises(UserError, match="not TOML"):
        settings.check()
    file.write_text("[rules.cpu-high]\nenabled = false")
    settings.check()


@pytest.mark.parametrize("url", ["ftp://h/secret"])
def test_a_bad_webhook_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UserError) as caught:
        config.load(AlertSettings, {"ALERTS_WEBHOOK_URL": url})
    assert "ALERTS_WEBHOOK_URL" in str(caught.value) and "secret" not in str(caught.value)


def test_empty_words_in_the_environment_are_no_settings() -> None:
    settings = config.load(AlertSettings, {"ALERTS_WEBHOOK_URL": "", "ALERTS_RULES_FILE": ""})
    assert (settings.webhook_url, settings.rules_file) == (None, None)


def test_the_webhook_address_does_not_show_in_the_settings() -> None:
    settings = config.load(AlertSettings, {"ALERTS_WEBHOOK_URL": "https://h/secret"})
    assert "secret" not in repr(settings)
