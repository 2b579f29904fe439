"""The files that NixOS makes of what the module says: settings in TOML, and drop-ins of units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import tomli_w

Scenario = Mapping[str, Any]
"""One machine of the recording."""


def settings(scenario: Scenario, daemon: str) -> str:
    """The settings file of a daemon."""
    return tomli_w.dumps(scenario["etc"][f"sysmonstm/{daemon}.toml"]["settings"])


def rules(scenario: Scenario) -> dict[str, str]:
    """The files of rules, by their paths in the store."""
    return {path: tomli_w.dumps(value) for path, value in scenario["rules"].items()}


def daemons(scenario: Scenario) -> list[str]:
    """Those that the machine has."""
    return sorted(Path(name).stem for name in scenario["etc"] if name.endswith(".toml"))


def drop_in(kind: str, unit: Mapping[str, Any]) -> str:
    """What is added to a unit of the package, or the whole of one that is not in it."""
    head = [f"Description={unit['description']}"] if unit["description"] else []
    for key in ("Requires", "After", "Before"):
        head += [f"{key}={' '.join(unit[key.lower()])}"] if unit[key.lower()] else []
    for name in ("Reload", "Restart"):
        if triggers := unit[f"{name.lower()}Triggers"]:
            head.append(f"X-{name}-Triggers={' '.join(triggers)}")
    body = [f'Environment="{name}={value}"' for name, value in unit.get("environment", {}).items()]
    body += [f"{key}={value}" for key, values in unit.get("lines", {}).items() for value in values]
    if not unit.get("stopIfChanged", True):
        body.append("X-StopIfChanged=false")
    return "\n".join(["[Unit]", *head, f"[{kind}]", *body]) + "\n"


def scripts(scenario: Scenario) -> dict[str, str]:
    """The scripts of services, by their paths."""
    return {_script(name): unit["script"] for name, unit in scenario["services"].items() if unit["script"]}


def _script(service: str) -> str:
    return f"/nix/store/{'0' * 32}-unit-script-{service}"


def put_units(scenario: Scenario, directory: Path, packaged: Iterable[str]) -> None:
    """Put units and drop-ins into a directory of units that has those of the package, and link what is wanted."""
    for kind in ("services", "sockets", "targets"):
        section = kind[:-1].capitalize()
        for name, unit in scenario[kind].items():
            full = f"{name}.{kind[:-1]}"
            file = directory / f"{full}.d/overrides.conf" if full in packaged else directory / full
            file.parent.mkdir(parents=True, exist_ok=True)
            # A target has no section of its own.
            text = drop_in(section, unit).replace("[Target]\n", "")
            file.write_text(text + (f"ExecStart=/bin/sh -e {_script(name)}\n" if unit.get("script") else ""))
            for target in unit["wantedBy"]:
                wants = directory / f"{target}.wants"
                wants.mkdir(exist_ok=True)
                (wants / full).symlink_to(f"../{full}")
