"""NixOS machines that are odd: their clocks, their texts, what boots and what changes while it is read."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from sysmonstm.collectord.deployment import reading
from sysmonstm.collectord.deployment.memory import Memory
from sysmonstm.collectord.deployment.news import activation
from sysmonstm.collectord.deployment.reading import deployed
from sysmonstm.collectord.deployment.watch import DeploymentWatch
from sysmonstm.collectord.deployment.words import Deployment, Running
from sysmonstm.collectord.facts import facts
from sysmonstm.collectord.happening import Happening
from sysmonstm.wire import MAX_FACTS_CHARACTERS, MAX_TEXT
from tests.collectord.nixos_tree import NixosTree

SECOND = 1_000_000_000
# When the system before was activated, when that was seen, and when the one that runs now was seen.
BEFORE, SEEN, NOW = (1_700_000_000 * SECOND + after * SECOND for after in (0, 5, 900))


@pytest.fixture
def tree(tmp_path: Path) -> NixosTree:
    """A machine that has booted its generation 42."""
    made = NixosTree(tmp_path / "root")
    system = made.system("42")
    made.generation(42, system)
    made.boot(system)
    return made


def seen(tree: NixosTree) -> list[Happening]:
    """What a collector that starts now tells of."""
    told: list[Happening] = []
    watch = DeploymentWatch(tree.root, Memory(tree.root), lambda news, _: told.extend([news] if news else []))
    assert watch.look()
    return told


@pytest.mark.parametrize(
    ("link_ns", "told_ns"),
    [
        (SEEN + 60 * SECOND, SEEN + 60 * SECOND),
        (NOW, NOW),
        (NOW + 1, NOW),
        (NOW + 3600 * SECOND, NOW),
        (SEEN, NOW),
        (BEFORE - 1, NOW),
        (BEFORE + 1, NOW),
        (12 * SECOND, NOW),
        (0, NOW),
        (-SECOND, NOW),
    ],
    ids=["normal", "now", "next", "future", "as seen", "older", "seen with before", "1970", "0", "before 1970"],
)
def test_the_time_of_an_activation_is_its_links_if_that_can_be(link_ns: int, told_ns: int) -> None:
    before = Running("/nix/store/a", BEFORE, SEEN, "boot")
    running = replace(before, system="/nix/store/b", activated_ns=link_ns, seen_ns=NOW)
    happening = activation(before, Deployment(running, (), None, None))
    assert happening
    assert happening.time_us == told_ns // 1000


def test_boots_without_a_clock_are_told_of_when_they_are_seen() -> None:
    """The link's time is in 1970 in both, and in the later one a second later: it took longer to start."""
    before = Running("/nix/store/a", 12 * SECOND, SEEN, "first")
    running = Running("/nix/store/b", 13 * SECOND, NOW, "second")
    happening = activation(before, Deployment(running, (), None, None))
    assert happening
    assert happening.time_us == NOW // 1000


@pytest.mark.parametrize("odd_ns", [7 * SECOND, 2**32 * SECOND], ids=["1970", "2106"])
def test_an_odd_link_is_told_of_when_it_is_seen(tree: NixosTree, odd_ns: int) -> None:
    assert seen(tree) == []
    tree.activate(tree.system("43"), odd_ns)
    earliest = time.time_ns() // 1000
    (happening,) = seen(tree)
    assert earliest <= happening.time_us <= time.time_ns() // 1000
    # What is odd is known again, and what comes after it has its own time.
    assert seen(tree) == []
    tree.activate(tree.system("44"))
    (happening,) = seen(tree)
    assert happening.time_us == tree.time_ns // 1000


def test_another_boot_of_the_kernel_is_a_boot_though_its_link_is_of_the_same_time(
    tree: NixosTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a clock, a machine may make it at the same time in 1970 twice."""
    assert seen(tree) == []
    monkeypatch.setattr(reading, "boot_id", lambda: bytes(16))
    tree.activate(tree.store / "hash-nixos-system-web1-42")
    assert seen(tree) == []
    tree.activate(tree.store / "hash-nixos-system-web1-42")
    assert [happening.message for happening in seen(tree)] == ["generation 42 was activated again"]


def test_texts_that_are_not_utf_8_or_very_long_are_escaped_and_cut(
    tree: NixosTree, caplog: pytest.LogCaptureFixture
) -> None:
    assert seen(tree) == []
    system = tree.system("43")
    (system / "nixos-version").write_bytes(b"26.05\xff\xfe\n\x1b[2J" + b"x" * 5_000_000)
    (system / "etc/sysmonstm/configuration-revision").write_bytes(b"\xc3" * 5_000_000)
    tree.switch(43, system)
    (happening,) = seen(tree)
    assert happening.message == f"generation 43 (revision {chr(0xFFFD) * 8}) was activated, after 42"
    event = happening.to_wire()
    assert event.fields["label"].startswith("26.05")
    assert all(text.isprintable() and len(text) <= MAX_TEXT for text in event.fields.values())
    known = deployed(tree.root)
    assert known
    assert (len(known.running.label), len(known.running.revision)) == (1024, 1024)
    assert sum(map(len, facts(known).values())) <= MAX_FACTS_CHARACTERS
    assert facts(known)["nixos_label"].startswith(f"26.05{chr(0xFFFD) * 2}[2Jxxx")
    # As long as that it is remembered.
    assert seen(tree) == []
    assert caplog.messages == []


def test_what_a_start_reads_is_not_of_two_systems(tree: NixosTree, monkeypatch: pytest.MonkeyPatch) -> None:
    later, text = tree.system("43"), reading._text

    def slow(path: Path) -> str:
        if not (tree.profiles / "system-43-link").exists():
            tree.switch(43, later)
        return text(path)

    monkeypatch.setattr(reading, "_text", slow)
    assert deployed(tree.root) is None
    found = deployed(tree.root)
    assert found
    assert found.running.generation == 43


def test_what_a_start_could_not_read_is_told_of_at_the_first_look(tree: NixosTree) -> None:
    told: list[tuple[Happening | None, Deployment]] = []
    watch = DeploymentWatch(tree.root, Memory(tree.root), lambda *news: told.append(news))
    for _ in range(3):
        watch.look()
    ((happening, found),) = told
    assert (happening, found.running.generation) == (None, 42)
