"""What services and slices use: parsers on what kernels write, a tree of recorded files, and a real tree."""

from __future__ import annotations

import math
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sysmonstm.collectord.cgroups import LOOK_AGAIN_SECONDS, Group, Tree, is_shown, parse_cpu, parse_io, parse_stall
from sysmonstm.collectord.probe import Row, series_of
from sysmonstm.collectord.probes.cgroup import LASTS_SECONDS, CgroupProbe

CPU_STAT = "usage_usec {cpu}\nuser_usec 900\nsystem_usec 100\nnr_periods 0\n"
PRESSURE = (
    "some avg10=0.00 avg60=0.00 avg300=0.00 total={stall}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=999999999\n"
)
IO_STAT = (
    "8:0 rbytes={read} wbytes={written} rios=9 wios=9 dbytes=7 dios=0\n8:16 \n254:0 rbytes=5 wbytes=6 rios=1 wios=1\n"
)


def test_cpu_time_is_the_first_line() -> None:
    assert parse_cpu(b"usage_usec 14390367674\nuser_usec 9244337627\nsystem_usec 5146030046\n") == 14390367674


def test_a_stall_is_that_of_some_task() -> None:
    text = b"some avg10=1.00 avg60=0.50 avg300=0.00 total=12345\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=99\n"
    assert parse_stall(text) == 12345


@pytest.mark.parametrize(
    ("text", "read", "written"),
    [
        (b"", (0, 0), (0, 0)),
        (b"8:0 rbytes=100 wbytes=20 rios=3 wios=4 dbytes=0 dios=0\n", (100, 0), (20, 0)),
        (b"8:0 rbytes=100 wbytes=20 rios=3\n253:1 rbytes=90 wbytes=15 rios=3\n", (100, 90), (20, 15)),
        (b"8:0 cost.usage=7\n8:16 rbytes=1 wbytes=2 rios=1 cost.usage=7\n259:0 \n", (1, 0), (2, 0)),
    ],
)
def test_what_passes_through_several_devices_is_kept_apart(
    text: bytes, read: tuple[float, float], written: tuple[float, float]
) -> None:
    assert parse_io(text, lambda device: device.startswith("253:")) == (read, written)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("nginx.service", True),
        ("system-getty.slice", True),
        ("user@1000.service", True),
        ("session-4.scope", False),
        ("init.scope", False),
        ("run-r0123abcd.service", False),
        ("run-u12.service", False),
        ("run-p7-i8.slice", False),
        ("dev-hugepages.mount", False),
        ("docker", False),
    ],
)
def test_services_and_slices_with_names_are_shown(name: str, shown: bool) -> None:
    assert is_shown(name) is shown


class Recorded:
    """A tree of files as a kernel has them; groups are made, changed and removed as the test wants."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "cgroup.controllers").write_text("cpu io memory pids\n")

    def group(self, path: str, cpu: int = 0, memory: int = 4096, read: int = 0, stall: int = 0) -> None:
        directory = self.root / path
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "cpu.stat").write_text(CPU_STAT.format(cpu=cpu))
        (directory / "memory.current").write_text(f"{memory}\n")
        (directory / "io.stat").write_text(IO_STAT.format(read=read, written=2 * read))
        for kind in ("cpu", "memory", "io"):
            (directory / f"{kind}.pressure").write_text(PRESSURE.format(stall=stall))

    def remove(self, path: str) -> None:
        for file in (self.root / path).iterdir():
            file.unlink()
        (self.root / path).rmdir()


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    # A file that was removed can still be read through a descriptor; that of a group cannot.
    def pread(number: int, size: int, offset: int, real: Callable[[int, int, int], bytes] = os.pread) -> bytes:
        if os.fstat(number).st_nlink == 0:
            raise OSError(19, "No such device")
        return real(number, size, offset)

    monkeypatch.setattr(os, "pread", pread)
    monkeypatch.setattr("sysmonstm.collectord.probes.cgroup.passes_on", lambda device: device.startswith("254:"))
    return Recorded(tmp_path)


def values(rows: list[Row]) -> dict[tuple[str, str], float]:
    return {(metric.name.removeprefix("cgroup."), instance): value for metric, instance, value in rows}


def read(probe: CgroupProbe, now: float) -> dict[tuple[str, str], float]:
    rows = list(probe.read(now))
    metrics, instances, _ = zip(*rows, strict=True) if rows else ((), (), ())
    series_of(probe, metrics, instances)
    return values(rows)


def test_a_unit_has_its_rates_and_its_memory(recorded: Recorded) -> None:
    recorded.group("system.slice/web.service")
    probe = CgroupProbe(root=str(recorded.root))
    assert probe.missing() == ""
    first = read(probe, 100.0)
    assert first["memory", "web.service"] == 4096
    assert math.isnan(first["cpu", "web.service"])
    cpus = os.cpu_count() or 1
    recorded.group("system.slice/web.service", cpu=500_000 * cpus, memory=8192, read=1000, stall=250_000)
    second = read(probe, 102.0)
    assert {name: value for (name, unit), value in second.items() if unit == "web.service"} == {
        "cpu": 25.0,
        "memory": 8192.0,
        "read": 500.0,
        "written": 1000.0,
        "cpu_pressure": 12.5,
        "memory_pressure": 12.5,
        "io_pressure": 12.5,
    }
    # What comes much sooner is as right.
    recorded.group("system.slice/web.service", cpu=500_000 * cpus + 100_000 * cpus, stall=250_000)
    assert read(probe, 102.5)["cpu", "web.service"] == pytest.approx(20.0)


def test_only_slices_are_looked_into(recorded: Recorded) -> None:
    for path in (
        "system.slice/system-getty.slice/getty@tty1.service",
        "user.slice/user-1000.slice/user@1000.service/app.slice/mine.service",
        "user.slice/user-1000.slice/session-1.scope",
        "system.slice/run-r0f.service",
        "machine.slice/_weird.service",
    ):
        for end in range(1, path.count("/") + 2):
            recorded.group("/".join(path.split("/")[:end]))
    names = {unit for _, unit in read(CgroupProbe(root=str(recorded.root)), 1.0)}
    assert names == {
        "system.slice",
        "system-getty.slice",
        "getty@tty1.service",
        "user.slice",
        "user-1000.slice",
        "user@1000.service",
        "machine.slice",
        "weird.service",
    }


def test_a_unit_that_stops_keeps_its_place_and_is_new_when_it_starts(recorded: Recorded) -> None:
    recorded.group("system.slice/a.service", cpu=10_000_000)
    recorded.group("system.slice/b.service")
    probe = CgroupProbe(root=str(recorded.root))
    places = list(read(probe, 1.0))
    recorded.remove("system.slice/a.service")
    for now in (2.0, 3.0):
        stopped = read(probe, now)
        assert list(stopped) == places
        assert all(math.isnan(value) for (_, unit), value in stopped.items() if unit == "a.service")
        assert stopped["memory", "b.service"] == 4096
    recorded.group("system.slice/a.service", cpu=20_000_000)
    started = read(probe, 4.0)
    assert list(started) == places
    assert started["memory", "a.service"] == 4096
    # What it counted before it was stopped is not compared with.
    assert math.isnan(started["cpu", "a.service"])
    recorded.group("system.slice/a.service", cpu=20_000_000)
    assert read(probe, 5.0)["cpu", "a.service"] == 0


def test_one_that_comes_as_another_goes_is_found(recorded: Recorded) -> None:
    recorded.group("system.slice/a.service")
    probe = CgroupProbe(root=str(recorded.root))
    read(probe, 1.0)
    recorded.remove("system.slice/a.service")
    recorded.group("system.slice/b.service")
    read(probe, 2.0)
    assert ("memory", "b.service") not in read(probe, 3.0 + LASTS_SECONDS - 2)
    assert ("memory", "b.service") in read(probe, 3.0 + LASTS_SECONDS)


def test_one_that_comes_as_something_else_goes_is_found_later(recorded: Recorded) -> None:
    recorded.group("system.slice/x.scope")
    tree = Tree(str(recorded.root))
    tree.look(100.0)
    recorded.remove("system.slice/x.scope")
    recorded.group("system.slice/b.service")
    tree.look(100.0 + LOOK_AGAIN_SECONDS)
    assert list(tree.paths) == ["system.slice", "b.service"]


def test_the_tree_is_walked_only_when_it_has_changed(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded.group("system.slice/a.service")
    tree = Tree(str(recorded.root))
    walks: list[float] = []
    real = Tree.look_anew

    def look_anew(self: Tree, now: float) -> None:
        walks.append(now)
        real(self, now)

    monkeypatch.setattr(Tree, "look_anew", look_anew)
    for now in (1.0, 2.0, 3.0):
        tree.look(now)
    assert walks == [1.0]
    recorded.group("system.slice/b.service")
    tree.look(4.0)
    assert walks == [1.0, 4.0]


def test_there_are_never_more_than_wanted(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    recorded.group("system.slice")
    for number in range(5):
        recorded.group(f"system.slice/u{number}.service")
    probe = CgroupProbe(most=3, root=str(recorded.root))
    for now in (1.0, 2.0):
        assert {unit for _, unit in read(probe, now)} == {"system.slice", "u0.service", "u1.service"}
    assert len([message for message in caplog.messages if "3 of 6" in message]) == 1
    recorded.remove("system.slice/u0.service")
    read(probe, 3.0)
    assert {unit for _, unit in read(probe, 4.0)} == {"system.slice", "u1.service", "u2.service"}
    probe.most = 1
    assert {unit for _, unit in read(probe, 5.0)} == {"system.slice"}
    probe.most = 0
    assert read(probe, 6.0) == {}
    probe.most = 9
    assert len({unit for _, unit in read(probe, 7.0)}) == 5


def test_who_has_a_place_keeps_it_when_it_restarts_though_others_wait(recorded: Recorded) -> None:
    recorded.group("system.slice")
    recorded.group("system.slice/b.service")
    probe = CgroupProbe(most=2, root=str(recorded.root))
    read(probe, 1.0)
    recorded.group("system.slice/a.service")
    recorded.remove("system.slice/b.service")
    recorded.group("system.slice/b.service")
    read(probe, 2.0)
    assert read(probe, 3.0)["memory", "b.service"] == 4096


def test_what_the_kernel_does_not_count_has_no_series_until_it_does(recorded: Recorded) -> None:
    recorded.group("system.slice/a.service")
    (recorded.root / "system.slice/a.service/io.stat").unlink()
    probe = CgroupProbe(root=str(recorded.root))
    assert ("read", "a.service") not in read(probe, 1.0)
    assert ("memory", "a.service") in read(probe, 2.0)


def test_units_that_come_and_go_cost_few_layouts(recorded: Recorded) -> None:
    recorded.group("system.slice/base.service")
    probe = CgroupProbe(most=20, root=str(recorded.root))
    shapes, shape, seen = 0, list[tuple[str, str]](), set[str]()
    for second in range(0, 86_400, 50):
        if second:
            recorded.remove(f"system.slice/short@{second - 50}.service")
        recorded.group(f"system.slice/short@{second}.service")
        if second % 200 == 0:
            recorded.group(f"system.slice/long@{second}.service")
        if second % 200 == 150:
            recorded.remove(f"system.slice/long@{second - 150}.service")
        before, shape = shape, list(read(probe, float(second)))
        shapes += shape != before
        seen |= {unit for _, unit in shape}
    assert 50 < shapes <= 160
    assert {unit for unit in seen if unit.startswith("short@")} == {"short@0.service"}


def test_what_the_kernel_begins_to_count_is_shown_in_few_layouts(recorded: Recorded) -> None:
    names = [f"system.slice/u{number}.service" for number in range(30)]
    for name in names:
        recorded.group(name)
        (recorded.root / name / "cpu.pressure").write_text("")
    probe = CgroupProbe(root=str(recorded.root))
    shapes, shape = 0, dict[tuple[str, str], float]()
    for second, name in enumerate(names):
        recorded.group(name)
        before, shape = shape, read(probe, float(second))
        shapes += list(shape) != list(before)
    assert shapes == 11
    assert len(read(probe, 3600.0)) == 30 * 7


def test_a_group_that_cannot_be_read_costs_nobody_else_anything(
    recorded: Recorded, caplog: pytest.LogCaptureFixture
) -> None:
    names, cpus = ("a.service", "b.service", "c.service"), os.cpu_count() or 1
    probe = CgroupProbe(root=str(recorded.root))
    for second in range(6):
        for name in names:
            recorded.group(f"system.slice/{name}", cpu=second * 500_000 * cpus)
        if second in (2, 3):
            (recorded.root / "system.slice/b.service/cpu.stat").write_text("usage_usec x\n")
        found = {name: value for (metric, name), value in read(probe, float(second)).items() if metric == "cpu"}
        if second:
            assert found["a.service"] == found["c.service"] == 50.0
            assert math.isnan(found["b.service"]) if second in (2, 3) else found["b.service"] == pytest.approx(50.0)
    assert len([message for message in caplog.messages if "cannot be read" in message]) == 1


def test_hostile_names_are_escaped(recorded: Recorded) -> None:
    recorded.group("system.slice/evil\x1b[2J\n.service")
    assert ("memory", "evil\\x1b[2J\\n.service") in read(CgroupProbe(root=str(recorded.root)), 1.0)


def test_descriptors_are_given_back(recorded: Recorded) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    probe = CgroupProbe(root=str(recorded.root))
    for round_number in range(5):
        recorded.group("system.slice/a.service")
        read(probe, 10.0 * round_number)
        # The slice has no files here.
        assert descriptors() == before + len(Group.NAMES)
        recorded.remove("system.slice/a.service")
        read(probe, 10.0 * round_number + 5)
    probe.most = 0
    read(probe, 100.0)
    assert descriptors() == before


def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be(recorded: Recorded) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(500, soft), hard))
    try:
        recorded.group("system.slice/a.service")
        assert read(CgroupProbe(root=str(recorded.root)), 1.0)
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 500
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_version_2_it_is_missing(tmp_path: Path) -> None:
    assert "version 2" in CgroupProbe(root=str(tmp_path)).missing()


@pytest.fixture
def real_tree() -> Iterator[Path]:
    """A real group of a test's own, wherever version 2 is mounted and may be written."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup2 " in line]
    own = next((line[3:] for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::")), "")
    if not mounts:
        pytest.skip("no control groups of version 2 are mounted here")
    directory = Path(f"{mounts[0]}{own}") / f"sysmon-test-{os.getpid()}.slice"
    try:
        directory.mkdir()
    except OSError as error:
        pytest.skip(f"no group can be made here: {error}")
    try:
        yield directory
    finally:
        for path in sorted(directory.rglob("*.s*"), reverse=True):
            if path.is_dir():
                path.rmdir()
        directory.rmdir()


def test_a_real_group_is_read_and_its_end_costs_nothing(real_tree: Path) -> None:
    unit = real_tree / "busy.service"
    unit.mkdir()
    probe = CgroupProbe(root=str(real_tree))
    child = os.fork()
    if child == 0:
        while True:
            pass
    try:
        (unit / "cgroup.procs").write_text(str(child))
        read(probe, time.monotonic())
        time.sleep(0.5)
        busy = read(probe, time.monotonic())
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert busy["cpu", "busy.service"] > 100 / (os.cpu_count() or 1) / 10
    while unit.exists():
        try:
            unit.rmdir()
        except OSError:
            time.sleep(0.01)
    gone = read(probe, time.monotonic())
    assert math.isnan(gone["cpu", "busy.service"])
    unit.mkdir()
    read(probe, time.monotonic())
    time.sleep(0.01)
    assert read(probe, time.monotonic())["cpu", "busy.service"] == 0
