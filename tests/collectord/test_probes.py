"""Each probe, on this machine, yields exactly what it declares, and what it says is so."""

from __future__ import annotations

import math
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil
import pytest

from sysmonstm.collectord.probe import KernelFile, Probe, Row, series_of
from sysmonstm.collectord.probes import CATALOGUE, PROBES
from sysmonstm.collectord.probes.agent import AgentProbe, AgentState
from sysmonstm.collectord.probes.cpu import CpuProbe
from sysmonstm.collectord.probes.disks import DisksProbe
from sysmonstm.collectord.probes.filesystems import UNKNOWN, FilesystemsProbe, Mount, Usage
from sysmonstm.collectord.probes.memory import MemoryProbe
from sysmonstm.collectord.probes.network import PER_INTERFACE, NetworkProbe
from sysmonstm.collectord.probes.system import ProcessCount, SystemProbe
from sysmonstm.metric import METRIC_NAME, Kind, Unit

# Metrics that may be missing or unknown, and why: they are per instance of something a machine need not have.
MAY_BE_ABSENT = {
    **{metric.name: "a machine may boot from the network" for metric in DisksProbe.metrics},
    **{metric.name: "a network namespace may have nothing but the loopback" for metric in PER_INTERFACE},
    "filesystem.inodes_percent": "a file system without a limit of inodes",
    "memory.swap_percent": "a machine without swap",
}


def agent() -> AgentProbe:
    return AgentProbe(lambda: AgentState(unacknowledged=2, spool_bytes=4096, dropped=0, refused=0))


KINDS: tuple[Callable[[], Probe], ...] = (*PROBES, agent)


def read_twice(probe: Probe) -> list[Row]:
    """The rows of a second reading, late enough for rates and for the clock ticks that CPU time is counted in."""
    list(probe.read(time.monotonic()))
    time.sleep(0.3)
    return list(probe.read(time.monotonic()))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_probe_yields_exactly_what_it_declares(kind: Callable[[], Probe]) -> None:
    probe = kind()
    if reason := probe.missing():
        pytest.skip(reason)
    rows = read_twice(probe)
    metrics, instances, values = zip(*rows, strict=True)
    series_of(probe, metrics, instances)
    absent = {metric.name for metric in probe.metrics} - {metric.name for metric in metrics}
    unknown = {metric.name for metric, _, value in rows if math.isnan(value)}
    assert not [name for name in absent | unknown if name not in MAY_BE_ABSENT]
    assert not any(map(math.isinf, values))
    for metric, _, value in rows:
        assert math.isnan(value) or value >= 0, metric.name
        assert metric.unit != Unit.PERCENT or math.isnan(value) or value <= 100, metric.name


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_first_reading_has_the_same_series_and_no_rates(kind: Callable[[], Probe]) -> None:
    probe = kind()
    if reason := probe.missing():
        pytest.skip(reason)
    first = list(probe.read(time.monotonic()))
    assert all(math.isnan(value) for metric, _, value in first if metric.kind is Kind.RATE)
    assert {row[:2] for row in first} <= {row[:2] for row in read_twice(probe)}


def test_the_catalogue_names_each_metric_once_and_well() -> None:
    names = [metric.name for metric in CATALOGUE]
    assert len(set(names)) == len(names)
    assert all(METRIC_NAME.fullmatch(name) for name in names)
    assert all(metric.help and not metric.help.endswith(".") for metric in CATALOGUE)
    assert {metric.unit for metric in CATALOGUE} <= set(Unit)
    assert len({probe.name for probe in PROBES}) == len(PROBES)


def named(rows: Iterable[Row]) -> dict[tuple[str, str], float]:
    return {(metric.name, instance): value for metric, instance, value in rows}


def test_a_busy_core_is_seen() -> None:
    probe = CpuProbe()
    allowed = os.sched_getaffinity(0)
    core = max(allowed)
    os.sched_setaffinity(0, {core})
    try:
        list(probe.read(0.0))
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            pass
        values = named(probe.read(0.0))
    finally:
        os.sched_setaffinity(0, allowed)
    assert values["cpu.core_percent", str(core)] > 80
    assert values["cpu.percent", ""] > 80 / (os.cpu_count() or 1)
    cores = {core for name, core in values if name == "cpu.core_percent"}
    assert len(cores) == psutil.cpu_count()


def test_memory_is_what_psutil_finds() -> None:
    values = named(MemoryProbe().read(0.0))
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    assert values["memory.total", ""] == memory.total
    assert values["memory.available", ""] == pytest.approx(memory.available, abs=memory.total * 0.02)
    assert values["memory.percent", ""] == pytest.approx(memory.percent, abs=2)
    assert values["memory.used", ""] + values["memory.available", ""] == memory.total
    # psutil counts shared memory among the caches.
    caches = memory.cached + memory.buffers - memory.shared
    assert values["memory.cached", ""] == pytest.approx(max(0, min(caches, memory.available)), abs=memory.total * 0.02)
    assert values["memory.swap_total", ""] == swap.total


def test_connections_are_as_many_as_listing_them_finds() -> None:
    probe = NetworkProbe()
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        for _ in range(50):
            before = psutil.net_connections(kind="inet")
            counted = named(probe.read(time.monotonic()))
            if len(before) == len(psutil.net_connections(kind="inet")) == counted["network.connections", ""]:
                break
            time.sleep(0.1)
        else:
            pytest.fail(f"listed {len(before)}, counted {counted['network.connections', '']}")
        established = sum(one.status in ("ESTABLISHED", "CLOSE_WAIT") for one in before)
        assert counted["network.tcp_established", ""] == pytest.approx(established, abs=2)
        assert counted["network.tcp_established", ""] >= 2


def test_processes_are_as_many_as_listing_them_finds() -> None:
    count = ProcessCount()
    for _ in range(50):
        before = len(psutil.pids())
        counted = count.read(time.monotonic())
        if before == len(psutil.pids()):
            assert counted == before
            return
    pytest.fail("processes come and go too fast to be counted")


def test_a_new_process_is_counted() -> None:
    count = ProcessCount()
    children = []
    before = count.read(0.0)
    try:
        children = [subprocess.Popen(["sleep", "60"]) for _ in range(20)]
        # Others may end meanwhile.
        assert count.read(1.0) >= before + 10
    finally:
        for child in children:
            child.kill()
            child.wait()


def test_uptime_and_load_are_the_kernels() -> None:
    values = named(SystemProbe().read(time.monotonic()))
    assert values["system.uptime", ""] == pytest.approx(float(Path("/proc/uptime").read_text().split()[0]), abs=1)
    assert values["system.load15", ""] == pytest.approx(os.getloadavg()[2], abs=0.5)


def test_file_systems_have_the_size_that_shutil_finds() -> None:
    values = named(FilesystemsProbe().read(time.monotonic()))
    mounts = [mount for name, mount in values if name == "filesystem.total"]
    assert "/" in mounts
    for mount in mounts:
        assert values["filesystem.total", mount] == shutil.disk_usage(mount).total
    used = shutil.disk_usage("/").used
    assert values["filesystem.used", "/"] == pytest.approx(used, abs=2**30)


TABLE = """\
20 1 8:1 / / rw - ext4 /dev/sda1 rw
21 20 0:40 / /mnt/hangs rw - nfs4 server:/a rw
22 20 0:41 / /mnt/well rw - nfs4 server:/b rw
"""


class Servers:
    """Stands in for file servers, of which one can be made to hang."""

    def __init__(self) -> None:
        self.well = threading.Event()
        self.asked: list[str] = []

    def ask(self, mount: Mount) -> Usage:
        self.asked.append(mount.point)
        if mount.point == "/mnt/hangs":
            self.well.wait()
        return Usage(percent=1.0, used=2.0, total=3.0, inodes_percent=4.0)


def test_a_mount_that_hangs_costs_neither_the_others_nor_the_next_sample(tmp_path: Path) -> None:
    table, servers = tmp_path / "mounts", Servers()
    table.write_text(TABLE)
    probe = FilesystemsProbe(servers.ask, str(table))
    for _ in range(3):
        values = named(probe.read(time.monotonic()))
        assert math.isnan(values["filesystem.percent", "/mnt/hangs"])
        assert (values["filesystem.percent", "/"], values["filesystem.percent", "/mnt/well"]) == (1.0, 1.0)
    assert servers.asked.count("/mnt/hangs") == 1
    servers.well.set()
    for _ in range(100):
        if named(probe.read(time.monotonic()))["filesystem.percent", "/mnt/hangs"] == 1.0:
            return
        time.sleep(0.05)
    pytest.fail("the mount did not come back")


def test_a_mount_that_is_gone_is_unknown() -> None:
    gone = Mount("/dev/sda9", "/nowhere/at/all", "ext4", read_only=False)
    probe = FilesystemsProbe()
    assert probe._ask(gone) == UNKNOWN


def test_a_new_mount_is_seen_and_an_unmounted_one_is_gone(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    script = """
import re, subprocess, sys, time
from sysmonstm.collectord.probes.disks import DisksProbe
from sysmonstm.collectord.probes.filesystems import FilesystemsProbe
probe = FilesystemsProbe()
def mounts(): return {instance for _, instance, _ in probe.read(time.monotonic())}
place = sys.argv[1]
before = mounts()
subprocess.run(["mount", "-o", "loop", sys.argv[2], place], check=True)
during = mounts()
subprocess.run(["umount", place], check=True)
assert place not in before and place in during and mounts() == before, (before, during)
"""
    image, place = tmp_path / "image", tmp_path / "a place"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(8 * 2**20)
    if not shutil.which("mkfs.ext4"):
        pytest.skip("mkfs.ext4 is missing; apt-get install e2fsprogs")
    made = subprocess.run(["mkfs.ext4", "-q", "-F", image], capture_output=True)
    if made.returncode:
        pytest.skip("mkfs.ext4 does not work here")
    # In a mount namespace of its own, so that nothing of it is left behind.
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", script, str(place), str(image)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if re.search("loop device|permission denied|unshare failed", done.stderr, re.IGNORECASE):
        pytest.skip(f"loop mounts do not work here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


def test_a_mount_below_a_directory_that_is_closed_is_shown_and_said_once(tmp_path: Path) -> None:
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        pytest.skip("mounting needs root and mkfs.ext4; apt-get install e2fsprogs")
    script = """
import math, os, subprocess, sys, time
from pathlib import Path
from sysmonstm.collectord.probes.filesystems import FilesystemsProbe
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=True)
for name in ("open", "shut", "shut/in"):
    Path("/mnt", name).mkdir()
Path("/mnt/shut/file").touch()
subprocess.run(["mount", "-o", "loop", sys.argv[1], "/mnt/shut/in"], check=True)
subprocess.run(["mount", "-o", "loop", sys.argv[2], "/mnt/open"], check=True)
Path("/mnt/open/file").touch()
subprocess.run(["mount", "--bind", "/mnt/open/file", "/mnt/shut/file"], check=True)
os.chmod("/mnt/shut", 0o700)
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
probe = FilesystemsProbe()
for _ in range(2):
    rows = [row for row in probe.read(time.monotonic()) if row[1].startswith("/mnt")]
assert {instance for _, instance, _ in rows} == {"/mnt/open", "/mnt/shut/in"}, rows
assert all(math.isnan(value) for _, instance, value in rows if instance == "/mnt/shut/in"), rows
assert not any(math.isnan(value) for _, instance, value in rows if instance == "/mnt/open"), rows
"""
    images = [tmp_path / "shut.image", tmp_path / "open.image"]
    for image in images:
        with image.open("wb") as file:
            file.truncate(8 * 2**20)
        subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True, capture_output=True)
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-c", script, *map(str, images)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if re.search("loop device|unshare failed", done.stderr, re.IGNORECASE):
        pytest.skip(f"loop mounts do not work here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "/mnt/shut is closed to the collector: how full what is mounted below it is, is not known"
    ]


def test_a_kernel_file_is_read_anew_and_whole() -> None:
    stat = KernelFile("/proc/uptime")
    first = stat.read()
    time.sleep(0.05)
    assert stat.read() != first
    # Longer than the page that the kernel hands out at once.
    assert KernelFile("/proc/kallsyms").read().count("\n") > 10_000 or not Path("/proc/kallsyms").exists()
    assert KernelFile("/proc/self/maps").read().endswith("\n")


def test_a_kernel_file_closes_its_descriptor_with_itself() -> None:
    file = KernelFile("/proc/uptime")
    number = file.descriptor
    del file
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)
