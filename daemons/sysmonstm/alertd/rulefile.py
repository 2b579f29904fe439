"""The rules as people write them: a TOML file, checked and turned into Rule objects.

A rule is a table named after it:

    [rules.disk-full]
    metric = "filesystem.percent"
    instance = "/home*"      # a glob; "*" if not given
    machine = "web*"         # a glob; "*" if not given
    comparison = ">"         # > >= < <=; ">" if not given
    threshold = 90           # in the metric's unit
    clear = 85               # resolves at this value or beyond; the threshold if not given
    for = "5m"               # how long it must hold: seconds, or like "90s", "5m", "1h30m"; 0 if not given
    severity = "warning"     # info, warning, critical; "warning" if not given
    message = "{instance} of {machine} is {value} full"  # what is said as it fires, in place of the usual
    resolved = "{instance} of {machine} has room again"  # and as that ends

A rule with `silent = true` instead of a metric is about machines whose samples no longer come; it has `machine`, `for`
and `severity` only.

The default rules hold beside those of the file. A table with a default rule's name changes only the keys that it
gives; `enabled = false` switches a rule off; `defaults = false` at the top of the file drops all the default ones.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Container
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

from sysmonstm import toml_text
from sysmonstm.alertd.rules import Comparison, Limit, Origin, Rule, Severity
from sysmonstm.config import UserError, nearest
from sysmonstm.metric import METRIC_NAME
from sysmonstm.toml_text import TomlError

DEFAULT_RULES = """\
[rules.cpu-high]
metric = "cpu.percent"
threshold = 90
clear = 80
for = "10m"

[rules.memory-high]
metric = "memory.percent"
threshold = 90
clear = 85
for = "5m"

[rules.memory-critical]
metric = "memory.percent"
threshold = 97
clear = 95
for = "1m"
severity = "critical"

[rules.filesystem-high]
metric = "filesystem.percent"
threshold = 85
clear = 80
for = "1m"

[rules.filesystem-critical]
metric = "filesystem.percent"
threshold = 95
clear = 92
for = "1m"
severity = "critical"

[rules.unit-failed]
metric = "unit.failed"
threshold = 0
message = "{instance} on {machine} has failed"
resolved = "{instance} on {machine} is no longer failed"

[rules.machine-silent]
silent = true
for = "30s"
severity = "critical"
"""

_RULE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DURATION = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,6})m)?(?:(\d{1,7})s)?")
_LONGEST_SECONDS = 7 * 86_400
_PLACES = ("{machine}", "{instance}", "{value}")
_MOST_CHARACTERS = 200

Table = dict[str, object]


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value.replace(" ", ""))
    if not value.strip() or match is None:
        raise ValueError('not a duration; write seconds, or like "90s", "5m", "1h30m"')
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds


def _metric_name(value: object) -> object:
    if isinstance(value, str) and not METRIC_NAME.fullmatch(value):
        raise ValueError("not a metric's name; one looks like cpu.percent")
    return value


def _sentence(value: object) -> object:
    if not isinstance(value, str):
        return value
    if len(value) > _MOST_CHARACTERS or not value.isprintable():
        raise ValueError(f"not a sentence of at most {_MOST_CHARACTERS} characters that can be printed")
    for place in re.findall(r"\{.*?\}", value):
        if place not in _PLACES:
            raise ValueError(f"{place} stands for nothing{nearest(place, _PLACES)}; there are {', '.join(_PLACES)}")
    return value


class _RuleTable(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = True
    machine: str = Field("*", min_length=1)
    hold: Annotated[float, Field(ge=0, le=_LONGEST_SECONDS), BeforeValidator(_seconds)] = Field(0, alias="for")
    severity: Severity = Severity.WARNING

    def limit(self) -> Limit | None:
        """What is compared; None for silence."""
        return None

    def rule(self, name: str) -> Rule:
        """The rule of this table."""
        return Rule(name, self.severity, round(self.hold * 1e6), self.limit(), self.machine)


class _SilenceTable(_RuleTable):
    silent: Literal[True]


class _LimitTable(_RuleTable):
    metric: Annotated[str, BeforeValidator(_metric_name)]
    instance: str = Field("*", min_length=1)
    comparison: Comparison = Comparison.ABOVE
    threshold: FiniteFloat
    clear: FiniteFloat | None = None
    message: Annotated[str, BeforeValidator(_sentence)] = ""
    resolved: Annotated[str, BeforeValidator(_sentence)] = ""

    @model_validator(mode="after")
    def _clear_is_quiet(self) -> _LimitTable:
        clear = self.threshold if self.clear is None else self.clear
        if clear != self.threshold and (clear > self.threshold) == self.comparison.upward:
            side = "below" if self.comparison.upward else "above"
            raise ValueError(
                f"clear ({clear:g}) must be {side} the threshold ({self.threshold:g}) or equal to it; set both"
            )
        return self

    def limit(self) -> Limit | None:
        """What is compared."""
        clear = self.threshold if self.clear is None else self.clear
        return Limit(self.metric, self.comparison, self.threshold, clear, self.instance)

    def rule(self, name: str) -> Rule:
        """The rule of this table, in its own words."""
        return replace(super().rule(name), message=self.message, resolved=self.resolved)


def load_rules(file: Path | None) -> tuple[Rule, ...]:
    """The rules of a file and the default ones that it leaves standing; UserError if one is not good."""
    if file is None:
        return parse_rules("", "")
    try:
        text = file.read_text()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not TOML: {error}") from None
    return parse_rules(text, str(file))


def parse_rules(text: str, source: str) -> tuple[Rule, ...]:
    """The rules of a file's text; `source` names it in errors."""
    try:
        content = toml_text.parse(text)
    except TomlError as error:
        raise UserError(f"{source} {error}") from None
    for key in content:
        if key not in ("rules", "defaults"):
            raise UserError(f"{key} in {source} is not known{nearest(key, ('rules', 'defaults'))}")
    if not isinstance(content.get("defaults", True), bool):
        raise UserError(f"defaults in {source} is true or false")
    defaults = _default_tables() if content.get("defaults", True) else {}
    own = _tables(content, source)
    merged = defaults | {name: defaults.get(name, {}) | table for name, table in own.items()}
    parsed = {name: _parse(name, table, source) for name, table in merged.items()}
    return tuple(
        replace(table.rule(name), origin=_origin(name, defaults, own))
        for name, table in parsed.items()
        if table.enabled
    )


def _origin(name: str, defaults: Container[str], own: Container[str]) -> Origin:
    if name not in own:
        return Origin.DEFAULT
    return Origin.CHANGED if name in defaults else Origin.FILE


def _default_tables() -> dict[str, Table]:
    return _tables(toml_text.parse(DEFAULT_RULES), "the default rules")


def _tables(content: Table, source: str) -> dict[str, Table]:
    rules = content.get("rules", {})
    if not isinstance(rules, dict):
        raise UserError(f"rules in {source} is not a table; a rule begins with [rules.its-name]")
    for name, table in rules.items():
        if not _RULE_NAME.fullmatch(name):
            raise UserError(
                f"{name[:64]!a} in {source} is no rule's name: at most 64 letters, digits, '.', '-' and '_'"
            )
        if not isinstance(table, dict):
            raise UserError(f"{name} in {source} is not a table; a rule begins with [rules.{name}]")
    return rules


def _parse(name: str, table: Table, source: str) -> _RuleTable:
    model = _SilenceTable if "silent" in table else _LimitTable
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise UserError(f"{source}: rule {name}: {_first_fault(name, model, error)}") from None


def _first_fault(name: str, model: type[_RuleTable], error: ValidationError) -> str:
    # A misspelt key is also a missing one: the spelling is what helps.
    faults = sorted(error.errors(), key=lambda fault: fault["type"] != "extra_forbidden")
    fault = faults[0]
    key = str(fault["loc"][0]) if fault["loc"] else ""
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        keys = [field.alias or own for own, field in model.model_fields.items()]
        return f"{key} is not a key of such a rule{nearest(key, keys)}"
    if fault["type"] == "missing":
        close = difflib.get_close_matches(name, _default_tables(), n=1)
        hint = f"; did you mean the rule {close[0]}?" if close else ""
        return f"{key} is missing; a rule has a metric and a threshold, or silent = true{hint}"
    return f"{key}: {message} (given: {fault['input']!r})" if key else message
