"""What NixOS has deployed is read from its links, and each activation is told of once, across restarts too."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sysmonstm.collectord.deployment import reading
from sysmonstm.collectord.deployment.memory import Memory
from sysmonstm.collectord.deployment.reading import deployed, is_nixos, marked
from sysmonstm.collectord.deployment.watch import DeploymentWatch
from sysmonstm.collectord.deployment.words import Deployment, described
from sysmonstm.collectord.facts import facts
from sysmonstm.collectord.happening import Happening, Severity
from sysmonstm.collectord.probes.nixos import NixosProbe
from sysmonstm.wire import MAX_FACTS, MAX_FACTS_CHARACTERS
from tests.collectord.nixos_tree import REVISION, NixosTree


class Collector:
    """What of a collector looks at deployments; a restart forgets all but the file."""

    def __init__(self, tree: NixosTree, directory: Path) -> None:
        self._tree, self._directory = tree, directory
        self.told: list[tuple[Happening | None, Deployment]] = []
        self.restart()

    def restart(self) -> None:
        memory = Memory(self._directory)
        self.watch = DeploymentWatch(self._tree.root, memory, lambda *news: self.told.append(news))

    def look(self) -> Deployment:
        found = self.watch.look()
        assert found
        return found

    def happened(self) -> list[str]:
        """The sentences of what has happened since it was asked before."""
        self.look()
        self.events = [happening for happening, _ in self.told if happening]
        self.told.clear()
        return [event.message for event in self.events]


@pytest.fixture
def tree(tmp_path: Path) -> NixosTree:
    """A machine that has booted its generation 42."""
    made = NixosTree(tmp_path / "root")
    system = made.system("42")
    made.generation(42, system)
    made.boot(system)
    return made


@pytest.fixture
def collector(tree: NixosTree, tmp_path: Path) -> Collector:
    """One that runs for the first time, which is no news."""
    state = tmp_path / "state"
    state.mkdir()
    made = Collector(tree, state)
    assert made.happened() == []
    return made


def values(deployment: Deployment | None) -> list[float]:
    return [value for _, _, value in NixosProbe(lambda: deployment).read(0.0)]


def test_a_generation_that_was_booted_needs_nothing(collector: Collector) -> None:
    assert values(collector.look()) == [42, 0, 0]
    known = described(collector.look())
    assert (known["generation"], known["nixos_label"], known["system"][-7:]) == ("42", "26.05.42", "web1-42")
    assert known["current_kernel"] == known["booted_kernel"] != ""
    assert (known["needs_reboot"], known["staged"], known["specialisation"], known["revision"]) == ("", "", "", "")


def test_a_switch_is_told_of_with_what_was_before(tree: NixosTree, collector: Collector) -> None:
    tree.switch(43, tree.system("43", revision=REVISION))
    assert collector.happened() == ["generation 43 (revision 1a2b3c4d) was activated, after 42"]
    (event,) = collector.events
    assert (event.kind, event.severity, event.time_us) == ("system.activated", Severity.INFO, tree.time_ns // 1000)
    assert event.fields == {
        "generation": "43",
        "previous_generation": "42",
        "system": str(tree.store / "hash-nixos-system-web1-43"),
        "previous_system": str(tree.store / "hash-nixos-system-web1-42"),
        "label": "26.05.43",
        "previous_label": "26.05.42",
        "revision": REVISION,
    }
    # The system that was booted is another one than this, but for all that a reboot would exchange.
    assert values(collector.look()) == [43, 0, 0]
    assert collector.happened() == []


def test_a_switch_is_told_of_by_the_collector_that_it_restarts(tree: NixosTree, collector: Collector) -> None:
    tree.switch(43, tree.system("43", revision=REVISION))
    tree.switch(44, tree.system("44", revision=f"{REVISION}-dirty"))
    collector.restart()
    assert collector.happened() == ["generation 44 (revision 1a2b3c4d-dirty) was activated, after 42"]
    collector.restart()
    assert collector.happened() == []


def test_another_kernel_needs_a_reboot_until_it_is_booted(tree: NixosTree, collector: Collector) -> None:
    new = tree.system("43", kernel="6.18")
    tree.switch(43, new)
    told = "generation 43 was activated, after 42; needs a reboot: kernel, initrd, kernel modules"
    assert collector.happened() == [told]
    assert collector.events[0].fields["needs_reboot"] == "kernel, initrd, kernel modules"
    assert values(collector.look()) == [43, 1, 0]
    assert described(collector.look())["needs_reboot"] == "kernel, initrd, kernel modules"
    tree.boot(new)
    assert collector.happened() == []
    assert values(collector.look()) == [43, 0, 0]


def test_what_is_only_another_initrd_is_named(tree: NixosTree, collector: Collector) -> None:
    new = tree.system("43")
    (new / "initrd").unlink()
    (new / "initrd").symlink_to(tree.store / "initrd-other")
    tree.switch(43, new)
    assert collector.look().needs_reboot == ("initrd",)


def test_the_same_system_may_be_activated_again(tree: NixosTree, collector: Collector) -> None:
    tree.activate(tree.store / "hash-nixos-system-web1-42")
    assert collector.happened() == ["generation 42 was activated again"]
    assert collector.events[0].fields["previous_generation"] == "42"
    tree.activate(tree.store / "hash-nixos-system-web1-42")
    collector.restart()
    assert collector.happened() == ["generation 42 was activated again"]


def test_a_system_that_is_only_tried_is_no_generation(tree: NixosTree, collector: Collector) -> None:
    tree.activate(tree.system("tried"))
    assert collector.happened() == ["a system of no generation was activated, after 42"]
    assert "generation" not in collector.events[0].fields
    generation, needs_reboot, staged = values(collector.look())
    assert math.isnan(generation)
    assert (needs_reboot, staged) == (0, 1)
    assert described(collector.look())["generation"] == ""
    tree.activate(tree.store / "hash-nixos-system-web1-42")
    assert collector.happened() == ["generation 42 was activated, after one of no generation"]


def test_a_specialisation_belongs_to_its_generation(tree: NixosTree, collector: Collector) -> None:
    system = tree.system("43", revision=REVISION, specialisations=["gaming", "travel"])
    tree.switch(43, system)
    collector.happened()
    tree.activate(tree.store / "hash-nixos-system-web1-43-travel")
    assert collector.happened() == ["generation 43 (travel, revision 1a2b3c4d) was activated, after 43"]
    assert collector.events[0].fields["specialisation"] == "travel"
    # The next boot brings its generation, so that nothing is staged.
    assert values(collector.look()) == [43, 0, 0]
    assert described(collector.look())["specialisation"] == "travel"
    tree.activate(system)
    assert collector.happened() == ["generation 43 (revision 1a2b3c4d) was activated, after 43 (travel)"]
    assert collector.events[0].fields["previous_specialisation"] == "travel"


def test_what_the_next_boot_brings_is_staged_and_no_activation(tree: NixosTree, collector: Collector) -> None:
    tree.generation(43, tree.system("43"))
    assert values(collector.look()) == [42, 0, 1]
    assert [(happening, known.staged) for happening, known in collector.told] == [(None, 43)]
    assert described(collector.look())["staged"] == "43"
    tree.boot(tree.store / "hash-nixos-system-web1-43")
    collector.told.clear()
    assert collector.happened() == ["generation 43 was booted, after 42"]
    assert values(collector.look()) == [43, 0, 0]


def test_a_boot_alone_is_no_news(tree: NixosTree, collector: Collector) -> None:
    tree.boot(tree.store / "hash-nixos-system-web1-42")
    collector.restart()
    assert collector.happened() == []


def test_a_boot_into_an_older_generation_is_told_of(tree: NixosTree, collector: Collector) -> None:
    tree.switch(43, tree.system("43"))
    assert len(collector.happened()) == 1
    tree.boot(tree.store / "hash-nixos-system-web1-42")
    collector.restart()
    assert collector.happened() == ["generation 42 was booted, after 43"]
    # The profile has not heard of it: the next boot brings 43.
    assert values(collector.look()) == [42, 0, 1]


def test_of_two_generations_that_are_the_same_the_profiles_own_is_meant(tree: NixosTree, collector: Collector) -> None:
    system = tree.store / "hash-nixos-system-web1-42"
    for number in (7, 50):
        tree.generation(number, system)
    tree.set_profile(7)
    assert collector.look().running.generation == 7
    tree.generation(60, tree.system("60"))
    assert collector.look().running.generation == 50


def test_a_container_has_no_kernel_and_its_boots_are_its_own(tmp_path: Path) -> None:
    tree = NixosTree(tmp_path / "root")
    system = tree.system("1", kernel="")
    tree.boot(system)
    collector = Collector(tree, tmp_path)
    generation, needs_reboot, staged = values(collector.look())
    assert math.isnan(generation)
    assert math.isnan(staged)
    assert needs_reboot == 0
    assert not [name for name, text in described(collector.look()).items() if text and "kernel" in name]
    # The kernel below has not started anew.
    tree.boot(system)
    collector.restart()
    assert collector.happened() == []
    tree.activate(system)
    assert collector.happened() == ["a system of no generation was activated again"]


def test_what_was_booted_may_not_be_known(tree: NixosTree, collector: Collector) -> None:
    (tree.root / "run/booted-system").unlink()
    assert math.isnan(values(collector.look())[1])
    assert described(collector.look())["needs_reboot"] == ""


def test_a_link_that_is_away_for_a_moment_is_waited_for(tree: NixosTree, collector: Collector) -> None:
    (tree.root / "run/current-system").unlink()
    assert values(collector.look())[0] == 42
    collector.restart()
    assert collector.watch.look() is None
    assert all(map(math.isnan, values(None)))
    tree.switch(43, tree.system("43"))
    assert collector.happened() == ["generation 43 was activated, after 42"]


def test_a_link_that_changes_while_it_is_read_is_read_anew(
    tree: NixosTree, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read is of the old system, and the link's time that of the new one, or the other way round."""
    tree.switch(43, tree.system("43"))
    later = tree.system("44")
    text = reading._text

    def slow(path: Path) -> str:
        if not (tree.profiles / "system-44-link").exists():
            tree.switch(44, later)
        return text(path)

    monkeypatch.setattr(reading, "_text", slow)
    assert collector.happened() == []
    assert collector.happened() == ["generation 44 was activated, after 42"]


def test_a_system_that_is_gone_is_waited_for(tree: NixosTree, collector: Collector) -> None:
    tree.activate(tree.store / "hash-nixos-system-web1-late")
    assert collector.happened() == []
    assert values(collector.look()) == [42, 0, 0]
    tree.system("late")
    assert collector.happened() == ["a system of no generation was activated, after 42"]


def test_nothing_is_read_while_nothing_changes(
    tree: NixosTree, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(43, 243):
        (tree.profiles / f"system-{number}-link").symlink_to(tree.store / "none")
    monkeypatch.setattr(reading, "_names", lambda _: pytest.fail("the generations were listed"))
    assert values(collector.look()) == [42, 0, 0]


@pytest.mark.parametrize(
    "damage",
    ["", "{", "[]", "{}", "null", "\x00" * 5000, '{"system": 1}', "[" * 100_000],
    ids=lambda text: text[:12].replace("\x00", "0"),
)
def test_a_damaged_memory_is_said_once_and_is_no_news(
    tree: NixosTree, collector: Collector, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    (tmp_path / "state/deployment.json").write_text(damage)
    collector.restart()
    assert collector.happened() == []
    assert len([one for one in caplog.messages if "which system ran last" in one]) == 1
    tree.switch(43, tree.system("43"))
    collector.restart()
    assert len(collector.happened()) == 1


# A flag is a number to Python, and no time.
@pytest.mark.parametrize(
    "changed",
    [
        '"activated_ns": "1"',
        '"activated_ns": true',
        '"seen_ns": false',
        '"generation": 4.5',
        '"generation": true',
        '"system": null',
        '"boot": []',
    ],
)
def test_a_value_of_another_type_is_damage(
    collector: Collector, tmp_path: Path, caplog: pytest.LogCaptureFixture, changed: str
) -> None:
    file = tmp_path / "state/deployment.json"
    file.write_text(f"{file.read_text()[:-1]}, {changed}}}")
    collector.restart()
    assert collector.happened() == []
    assert len([one for one in caplog.messages if "a value is of another type" in one]) == 1


def test_a_memory_that_cannot_be_written_is_said_once_and_tried_again(
    tree: NixosTree, collector: Collector, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "state").rename(tmp_path / "away")
    tree.switch(43, tree.system("43"))
    assert len(collector.happened()) == 1
    collector.look()
    assert len([one for one in caplog.messages if "cannot be kept which system runs" in one]) == 1
    (tmp_path / "away").rename(tmp_path / "state")
    collector.look()
    collector.restart()
    assert collector.happened() == []


def test_the_memory_is_for_its_owner_and_nothing_is_left_beside_it(collector: Collector, tmp_path: Path) -> None:
    (file,) = (tmp_path / "state").iterdir()
    assert (file.name, file.stat().st_mode & 0o777) == ("deployment.json", 0o600)


def test_facts_have_what_is_known_and_fit_into_a_hello(tree: NixosTree, collector: Collector) -> None:
    tree.switch(43, tree.system("43", kernel="6.18", revision=REVISION))
    found = facts(collector.look())
    assert found["revision"] == REVISION
    assert found["needs_reboot"] == "kernel, initrd, kernel modules"
    assert found["booted_kernel_modules"].endswith("/kernel-modules-6.12")
    assert found["current_kernel_modules"].endswith("/kernel-modules-6.18")
    assert "staged" not in found
    assert len(found) <= MAX_FACTS
    assert sum(map(len, (*found, *found.values()))) <= MAX_FACTS_CHARACTERS


def test_another_distribution_is_none(tmp_path: Path) -> None:
    assert (is_nixos(tmp_path), deployed(tmp_path), marked(tmp_path)) == (False, None, None)
    (tmp_path / "run").mkdir()
    (tmp_path / "gnu").mkdir()
    (tmp_path / "run/current-system").symlink_to(tmp_path / "gnu")
    assert not is_nixos(tmp_path), "Guix has such a link too"
