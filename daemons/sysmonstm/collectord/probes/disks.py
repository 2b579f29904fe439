"""What block devices do, from /proc/diskstats.

Shown are whole devices at the bottom of the stack. Partitions, device-mapper, md, bcache, zvol and loop devices pass
their work on to one that is shown, and would count it twice; zram and ram disks are memory. All but the partitions
lie under /sys/devices/virtual/block, where of the real ones only network block devices (nbd) live. A device that has
never done anything (an empty card reader) is left out until it does.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from sysmonstm.collectord.probe import KernelFile, Probe, Rates, Row, instance_name
from sysmonstm.metric import Kind, Metric, Unit

READ = Metric("disk.read", Unit.BYTES_PER_SECOND, Kind.RATE, "Bytes read from the device", "device")
WRITTEN = Metric("disk.written", Unit.BYTES_PER_SECOND, Kind.RATE, "Bytes written to the device", "device")
BUSY = Metric("disk.busy", Unit.PERCENT, Kind.RATE, "Time in which the device had something to do", "device")

# The kernel counts in these whatever the device's own sectors are.
SECTOR_BYTES = 512
SYS_BLOCK = Path("/sys/class/block")

_NVME_PATH = re.compile(r"(nvme\d+)c\d+(n\d+)")


def parse_diskstats(text: str) -> dict[str, tuple[int, int, int]]:
    """For each device that has ever done anything: bytes read, bytes written, milliseconds busy."""
    found: dict[str, tuple[int, int, int]] = {}
    for line in text.splitlines():
        fields = line.split(maxsplit=13)
        counters = (int(fields[5]) * SECTOR_BYTES, int(fields[9]) * SECTOR_BYTES, int(fields[12]))
        if any(counters):
            found[fields[2]] = counters
    return found


def is_bottom(device: str, sys_block: Path = SYS_BLOCK) -> bool:
    """Whether sysfs has the device as a whole one that no other device does the work for."""
    # cciss/c0d0 is cciss!c0d0 there.
    entry = sys_block / device.replace("/", "!")
    if not entry.exists() or (entry / "partition").exists():
        return False
    return "/devices/virtual/block/" not in str(entry.resolve()) or device.startswith("nbd")


def bottom_devices(devices: Collection[str], sys_block: Path = SYS_BLOCK) -> set[str]:
    """Those of the devices that are shown."""
    found = {device for device in devices if is_bottom(device, sys_block)}
    # nvme0c0n1 is one path to nvme0n1; since Linux 6.4 both count.
    return {device for device in found if not (_nvme_head(device) in found and _nvme_head(device) != device)}


def _nvme_head(device: str) -> str:
    return _NVME_PATH.sub(r"\1\2", device)


class DisksProbe(Probe):
    """Reading and writing of whole block devices."""

    name = "disks"
    metrics = (READ, WRITTEN, BUSY)

    def __init__(self) -> None:
        self._diskstats = KernelFile("/proc/diskstats")
        self._rates = Rates()
        # Sysfs is asked only when other devices are there than before.
        self._known: set[str] = set()
        self._bottom: set[str] = set()

    def read(self, now: float) -> Iterable[Row]:
        """Rates since the last reading."""
        counters = parse_diskstats(self._diskstats.read())
        if counters.keys() != self._known:
            self._known = set(counters)
            self._bottom = bottom_devices(self._known)
        shown = {device: values for device, values in counters.items() if device in self._bottom}
        for device, (read, written, busy) in self._rates.since_last(now, shown).items():
            instance = instance_name(device)
            yield READ, instance, read
            yield WRITTEN, instance, written
            # Milliseconds a second to percent. It is counted in coarser steps than the clock's.
            yield BUSY, instance, busy if busy != busy else min(busy / 10, 100.0)
