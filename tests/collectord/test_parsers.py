"""What the probes make of the kernel's texts, odd ones too."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from sysmonstm.collectord import facts
from sysmonstm.collectord.probes.cpu import Times, parse_times, shares
from sysmonstm.collectord.probes.disks import bottom_devices, parse_diskstats
from sysmonstm.collectord.probes.filesystems import Mount, Place, parse_mounts, shown_mounts, usage
from sysmonstm.collectord.probes.memory import cached, parse_meminfo
from sysmonstm.collectord.probes.network import is_shown, parse_established, parse_interfaces, parse_sockets
from sysmonstm.collectord.probes.pressure import PressureProbe, parse_pressure
from sysmonstm.collectord.probes.system import parse_switches
from sysmonstm.wire import MAX_TEXT

STAT = """\
cpu  6954 10 3236 259391 385 1 74 9 5 2
cpu0 941 10 1014 132895 26 1 16 2 5 2
cpu3 6013 0 2222 126495 358 0 58 7 0 0
intr 12345 6 7 8
ctxt 987654
btime 1795380319
processes 4321
"""


def test_stat_has_times_of_all_and_of_each_core_that_is_online() -> None:
    times = parse_times(STAT)
    assert list(times) == ["cpu", "0", "3"]
    assert times["cpu"] == Times(6954, 10, 3236, 259391, 385, 1, 74, 9)
    assert parse_switches(STAT) == 987654
    assert facts.parse_boot_time(STAT) == "1795380319"


def test_shares_of_cpu_time_add_up_and_guests_are_not_counted_twice() -> None:
    before = Times(*[1000] * 8)
    after = Times(1010, 1020, 1010, 1040, 1005, 1003, 1002, 1010)
    found = shares(before, after)
    assert (found.user, found.system, found.iowait, found.steal) == (30.0, 15.0, 5.0, 10.0)
    assert found.busy == found.user + found.system + found.steal


def test_iowait_that_goes_backwards_is_unknown_and_the_rest_is_not() -> None:
    found = shares(Times(*[1000] * 8), Times(1050, 1000, 1000, 1050, 990, 1000, 1000, 1000))
    assert math.isnan(found.iowait)
    assert (found.busy, found.user) == (50.0, 50.0)


@pytest.mark.parametrize("after", [Times(*[1000] * 8), Times(990, *[1100] * 7)], ids=["no time", "backwards"])
def test_cpu_shares_are_unknown_without_time_or_after_a_reset(after: Times) -> None:
    found = shares(Times(*[1000] * 8), after)
    assert all(map(math.isnan, (found.busy, found.user, found.system, found.iowait, found.steal)))


def test_meminfo_is_in_bytes_and_other_fields_do_not_pass_for_it() -> None:
    text = (
        "MemTotal:       100 kB\nMemFree: 1 kB\nMemAvailable:    60 kB\n"
        "SwapCached: 9 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"
    )
    assert parse_meminfo(text) == {"MemTotal": 102400, "MemAvailable": 61440, "SwapTotal": 0, "SwapFree": 0}


def test_caches_are_those_that_can_be_had() -> None:
    fields = {"Buffers": 10, "Cached": 100, "SReclaimable": 20, "Shmem": 30, "MemAvailable": 500}
    assert cached(fields) == 100
    assert cached(fields | {"MemAvailable": 60}) == 60
    assert cached({"Buffers": 0, "Cached": 10, "Shmem": 30, "MemAvailable": 500}) == 0


DISKSTATS = """\
   7       0 loop0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
 254       0 vda 36759 10495 3444874 10261 9650 36458 3867752 6786 0 5768 17453 5225 27 129528 354 1208 50
   8       1 old 1 2 3 4 5 6 7 8 0 9 10
"""


def test_diskstats_give_bytes_and_busy_time_on_new_and_old_kernels_and_idle_devices_are_left_out() -> None:
    assert parse_diskstats(DISKSTATS) == {
        "vda": (3444874 * 512, 3867752 * 512, 5768),
        "old": (3 * 512, 7 * 512, 9),
    }


def test_only_whole_devices_at_the_bottom_of_the_stack_are_shown(tmp_path: Path) -> None:
    pci = tmp_path / "devices/pci0000:00"
    virtual = tmp_path / "devices/virtual/block"
    real = {name: pci / name for name in ("sda", "nvme0n1", "nvme0c0n1", "nvme1c1n1", "cciss!c0d0")}
    made_up = {name: virtual / name for name in ("dm-0", "md0", "loop0", "zram0", "zd0", "nbd0")}
    sys_block = tmp_path / "class/block"
    sys_block.mkdir(parents=True)
    for name, place in (real | made_up | {"sda1": pci / "sda/sda1"}).items():
        place.mkdir(parents=True, exist_ok=True)
        (sys_block / name).symlink_to(place)
    (pci / "sda/sda1/partition").write_text("1\n")
    devices = [name.replace("!", "/") for name in (*real, *made_up, "sda1", "unknown")]
    # nvme1c1n1 is shown, since its head does not count (before Linux 6.4).
    assert bottom_devices(devices, sys_block) == {"sda", "nvme0n1", "nvme1c1n1", "cciss/c0d0", "nbd0"}


NET_DEV = """\
Inter-|   Receive                                                |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop fifo colls carrier compressed
    lo:    7011      66    0    0    0     0          0         0     7011      66    0    0    0     0     0     0
  sit0:       0       0    0    0    0     0          0         0        0       0    0    0    0     0     0     0
  eth0:100 14947    3    4    0     0          0         0   200    7827    5    6    0     0       0          0
vethab1:     9       9    0    0    0     0          0         0        9       9    0    0    0     0     0     0
"""


def test_interfaces_have_their_counters_in_the_order_of_the_metrics() -> None:
    assert parse_interfaces(NET_DEV) == {"eth0": (100, 200, 3, 5, 4, 6)}


@pytest.mark.parametrize("name", ["eth0", "enp3s0", "wlan0", "bond0", "br0", "wg0", "tailscale0", "eth0.100", "lower0"])
def test_interfaces_that_people_watch_are_shown(name: str) -> None:
    assert is_shown(name)


@pytest.mark.parametrize("name", ["lo", "veth12ab", "docker0", "br-0123456789ab", "cali9", "vnet3", "ve-box", "virbr0"])
def test_interfaces_that_come_and_go_are_not_shown(name: str) -> None:
    assert not is_shown(name)


def test_sockets_in_use_and_closing_are_counted_once_for_both_families() -> None:
    sockstat = (
        "sockets: used 25\nTCP: inuse 7 orphan 1 tw 20 alloc 9 mem 91\nUDP: inuse 300 mem 0\n"
        "UDPLITE: inuse 5000\nRAW: inuse 60000\nFRAG: inuse 0 memory 0\n"
    )
    sockstat6 = "TCP6: inuse 4000\nUDP6: inuse 50000\nUDPLITE6: inuse 1\nRAW6: inuse 1\nFRAG6: inuse 0 memory 0\n"
    assert parse_sockets(sockstat) == 327
    assert parse_sockets(sockstat6) == 54000


def test_established_connections_are_found_by_their_column() -> None:
    snmp = "Ip: A B\nIp: 1 2\nTcp: RtoMin CurrEstab InSegs\nTcp: 200 42 9\nUdp: CurrEstab\nUdp: 7\n"
    assert parse_established(snmp) == 42


def test_pressure_is_read_from_the_totals() -> None:
    text = (
        "some avg10=0.44 avg60=0.61 avg300=0.21 total=7030100\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=18446744073709\n"
    )
    assert parse_pressure(text) == {"some": 7030100, "full": 18446744073709}
    # Before Linux 5.13 cpu had no "full".
    assert parse_pressure("some avg10=0.00 avg60=0.00 avg300=0.00 total=1\n") == {"some": 1}


def test_a_kernel_without_pressure_says_so_and_costs_nothing(tmp_path: Path) -> None:
    assert "pressure" in PressureProbe(str(tmp_path)).missing()
    (tmp_path / "cpu").mkdir()  # reading a directory fails as reading does with psi=0: after it was opened
    assert "pressure" in PressureProbe(str(tmp_path)).missing()


MOUNTS = """\
rootfs / rootfs rw 0 0
/dev/sda2 / ext4 rw,relatime 0 0
/dev/sda2 /nix/store ext4 rw,relatime 0 0
/dev/sda2 /nix/store ext4 ro,relatime 0 0
/dev/sda2 /var/lib/data ext4 rw 0 0
/dev/sda1 /boot vfat rw 0 0
proc /proc proc rw 0 0
tmpfs /run tmpfs rw 0 0
devtmpfs /dev devtmpfs rw 0 0
systemd-1 /net autofs rw 0 0
/dev/loop1 /snap/core/1 squashfs ro 0 0
/dev/loop2 /mnt/image ext4 ro 0 0
/dev/loop3 /mnt/writable ext4 rw 0 0
/dev/sr0 /media/cd iso9660 ro 0 0
/dev/sdb1 /mnt/my\\040disk\\134x xfs ro 0 0
tank/home /home zfs rw 0 0
overlay /var/lib/docker/overlay2/0/merged overlay rw 0 0
tank/layer /var/lib/docker/zfs/graph/0 zfs rw 0 0
server:/export /mnt/nfs nfs4 rw 0 0
server:/export /mnt/nfs/again nfs4 rw 0 0
me@host: /home/me/far fuse.sshfs rw 0 0
portal /run/user/1000/doc fuse.portal rw 0 0
app /tmp/.mount_app fuse.app ro 0 0
/dev/sda2 /etc/hosts ext4 rw 0 0
"""


def mount_info(text: str) -> str:
    """The lines of /proc/self/mounts as /proc/self/mountinfo has them, every mount read-only for us."""
    rows = (line.split(" ") for line in text.splitlines())
    return "".join(
        f"{number} 1 8:{number} / {point} ro,relatime master:1 - {kind} {device} {options}\n"
        for number, (device, point, kind, options, *_) in enumerate(rows, 20)
    )


def shown(text: str) -> list[str]:
    found = shown_mounts(
        parse_mounts(mount_info(text)), lambda point: Place.OTHER if point == "/etc/hosts" else Place.DIRECTORY
    )
    return [mount.point for mount in found]


def test_mounts_whose_room_can_run_out_are_shown_once() -> None:
    assert shown(MOUNTS) == [
        "/",
        "/boot",
        "/home",
        "/home/me/far",
        "/mnt/my disk\\x",
        "/mnt/nfs",
        "/mnt/writable",
        "/nix/store",
    ]


def test_the_mount_that_can_be_seen_counts() -> None:
    found = shown_mounts(parse_mounts(mount_info(MOUNTS)), lambda _: Place.DIRECTORY)
    assert [mount.read_only for mount in found if mount.point == "/nix/store"] == [True]
    assert [mount.type for mount in found if mount.point == "/"] == ["ext4"]


def test_a_container_and_a_root_in_memory_have_their_root() -> None:
    hosts = "/dev/vda1 /etc/hosts ext4 rw 0 0\n"
    assert shown("overlay / overlay rw 0 0\n" + hosts) == ["/"]
    assert shown("none / tmpfs rw 0 0\n/dev/vda1 /nix ext4 rw 0 0\n") == ["/", "/nix"]
    assert shown("none / tmpfs rw 0 0\noverlay /nix/store overlay rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n") == [
        "/",
        "/nix/store",
    ]


def test_what_is_mounted_below_a_closed_directory_is_shown_unless_it_may_be_a_file() -> None:
    rows = (
        "20 1 8:1 / / rw - ext4 /dev/sda1 rw",
        "21 1 8:2 / /closed/data rw - ext4 /dev/sdb1 rw",
        "22 1 8:3 /@home /closed/subvolume rw - btrfs /dev/sdc1 rw,subvolid=256,subvol=/@home",
        "23 1 8:4 /one/file /closed/file rw - ext4 /dev/sdd1 rw",
        "24 1 8:5 / /closed/twice rw - ext4 /dev/sde1 rw",
        "25 1 8:5 / /open/and/longer/twice rw - ext4 /dev/sde1 rw",
    )
    found = shown_mounts(
        parse_mounts("\n".join(rows)),
        lambda point: Place.CLOSED if point.startswith("/closed") else Place.DIRECTORY,
    )
    assert [mount.point for mount in found] == ["/", "/closed/data", "/closed/subvolume", "/open/and/longer/twice"]


def test_what_another_process_or_machine_answers_for_may_hang() -> None:
    kinds = {mount.point: mount.may_hang for mount in parse_mounts(mount_info(MOUNTS))}
    assert [point for point, may_hang in kinds.items() if may_hang] == [
        "/mnt/nfs",
        "/mnt/nfs/again",
        "/home/me/far",
        "/run/user/1000/doc",
        "/tmp/.mount_app",
    ]
    assert Mount("/dev/sdc1", "/mnt", "fuseblk", read_only=False).may_hang


def test_an_empty_or_torn_mount_table_is_no_error() -> None:
    assert parse_mounts("") == []
    assert parse_mounts("half a\n") == []
    assert parse_mounts("36 35 98:0 /mnt1 /mnt2 rw - ext3 /dev/root\n") == []


def room(**fields: int) -> os.statvfs_result:
    names = [
        "f_bsize",
        "f_frsize",
        "f_blocks",
        "f_bfree",
        "f_bavail",
        "f_files",
        "f_ffree",
        "f_favail",
        "f_flag",
        "f_namemax",
    ]
    return os.statvfs_result([fields.get(name, 0) for name in names])


def test_percent_is_of_what_users_can_have() -> None:
    found = usage(room(f_bsize=9, f_frsize=4096, f_blocks=1000, f_bfree=400, f_bavail=200, f_files=100, f_ffree=75))
    assert (found.percent, found.used, found.total, found.inodes_percent) == (75.0, 600 * 4096, 1000 * 4096, 25.0)


def test_without_a_limit_of_inodes_their_percentage_is_unknown() -> None:
    found = usage(room(f_frsize=4096, f_blocks=10, f_bfree=10, f_bavail=10))
    assert math.isnan(found.inodes_percent)
    assert found.percent == 0.0
    assert math.isnan(usage(room()).percent)


def test_facts_are_parsed_from_what_distributions_write() -> None:
    assert facts.parse_os_release('NAME=NixOS\nPRETTY_NAME="NixOS 26.05 (Y)"\n') == "NixOS 26.05 (Y)"
    assert facts.parse_os_release("NAME='Alpine Linux'\n") == "Alpine Linux"
    assert facts.parse_os_release("") == ""
    assert facts.parse_cpu("processor\t: 0\nmodel name\t: AMD EPYC\nmodel name\t: other\n") == "AMD EPYC"
    assert facts.parse_cpu("processor : 0\nBogoMIPS : 108.00\n") == ""
    assert facts.parse_memory("MemTotal:       24684092 kB\n") == "25276510208"


@pytest.mark.parametrize(
    ("dmi", "cpuinfo", "container", "kind"),
    [
        ("", "", "", ""),
        ("QEMU Standard PC", "flags : fpu hypervisor", "", "kvm"),
        ("", "flags\t\t: fpu hypervisor lm\n", "", "vm"),
        ("Microsoft Corporation Surface", "flags : fpu", "", ""),
        ("Microsoft Corporation Virtual Machine", "", "", "hyper-v"),
        ("QEMU", "", "systemd-nspawn", "systemd-nspawn"),
    ],
)
def test_virtualization_names_the_innermost(dmi: str, cpuinfo: str, container: str, kind: str) -> None:
    assert facts.virtualization(dmi, cpuinfo, container) == kind


def test_facts_are_fit_to_be_sent() -> None:
    assert facts.fact_text("a\x1b[31m\nb" + "c" * 600) == ("a[31mb" + "c" * 600)[:MAX_TEXT]
    many = facts.joined([f"10.0.0.{number}" for number in range(100)])
    assert len(many) <= MAX_TEXT
    assert all(part.count(".") == 3 and not part.endswith(".") for part in many.split(", "))
    found = facts.facts()
    assert {"hostname", "os", "kernel", "architecture", "cores", "memory", "boot_time"} <= set(found)
    assert all(value and value.isprintable() and len(value) <= MAX_TEXT for value in found.values())


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("libsystemd-shared-252.so", "252"),
        ("libsystemd-shared-257.9-2.fc42.so", "257.9-2.fc42"),
        ("libsystemd-shared-258~rc1.so", "258~rc1"),
    ],
)
def test_the_version_of_systemd_is_in_the_name_of_its_library(tmp_path: Path, name: str, version: str) -> None:
    (tmp_path / name).touch()
    assert facts.systemd_version((f"{tmp_path}/none/*.so", f"{tmp_path}/libsystemd-shared-*.so")) == version
    assert facts.systemd_version((f"{tmp_path}/none/*.so",)) == ""
