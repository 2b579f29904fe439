"""What the flake offers, for both kinds of machines; and the module takes the packages of its overlay."""

from __future__ import annotations

import re
from typing import Any

from tests.nix.recording import ROOT, recorded

FLAKE: dict[str, Any] = recorded()["flake"]
SYSTEMS = {"x86_64-linux", "aarch64-linux"}
PACKAGES = {"sysmonstm", "sysmonstm-collector", "sysmonstm-up"}


def test_everything_is_there_for_both_kinds_of_machines() -> None:
    for output in ("packages", "apps", "checks", "shells", "formatters"):
        assert FLAKE[output].keys() == SYSTEMS, output


def test_packages_are_in_the_flake_and_in_its_overlay() -> None:
    for names in FLAKE["packages"].values():
        assert set(names) == PACKAGES | {"default"}
    assert set(FLAKE["overlay"]) == PACKAGES


def test_a_run_shows_this_machine() -> None:
    for program in FLAKE["apps"].values():
        assert re.fullmatch(r"/nix/store/\w+-sysmonstm-up/bin/[\w.-]+", program)
    assert "exec sysmonctl up" in (ROOT / "nix/up.nix").read_text()


def test_every_machine_test_is_a_check() -> None:
    machines = set(re.findall(r"^  ([\w-]+) = \./", (ROOT / "nix/tests/default.nix").read_text(), re.MULTILINE))
    for names in FLAKE["checks"].values():
        assert set(names) == machines | PACKAGES | {"evaluation", "format"}


def test_the_module_is_there() -> None:
    assert FLAKE["modules"] == {"default": True}


def test_the_module_takes_the_packages_of_the_overlay() -> None:
    (hub,), (machine,) = FLAKE["byOverlay"]["hub"], FLAKE["byOverlay"]["machine"]
    assert hub.endswith("-sysmonstm-0.1.0")
    assert machine.endswith("-sysmonstm-collector-0.1.0")
