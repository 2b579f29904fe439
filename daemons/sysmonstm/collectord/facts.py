"""What is worth knowing of this machine and seldom changes: read at the start and after a deployment, sent in Hello."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable
from pathlib import Path

from sysmonstm.collectord.deployment.words import Deployment, described
from sysmonstm.collectord.probes.network import addresses
from sysmonstm.wire import MAX_TEXT

# What the makers of virtual machines call themselves in DMI, and what people call them.
HYPERVISORS = {
    "QEMU": "kvm",
    "KVM": "kvm",
    "VMware": "vmware",
    "innotek": "virtualbox",
    "Oracle Corporation VirtualBox": "virtualbox",
    "Microsoft Corporation Virtual Machine": "hyper-v",
    "Xen": "xen",
    "Amazon EC2": "amazon",
    "Google Compute Engine": "google",
    "Hetzner vServer": "kvm",
    "DigitalOcean Droplet": "kvm",
    "Parallels": "parallels",
    "Apple Virtualization": "apple",
}

# Systemd's own library, which has the version in its name: on NixOS, on Fedora and Arch, on Debian.
_SYSTEMD_LIBRARIES = tuple(
    f"{directory}/systemd/libsystemd-shared-*.so"
    for directory in ("/run/current-system/systemd/lib", "/usr/lib", "/usr/lib64", "/usr/lib/*")
)


def facts(deployment: Deployment | None = None) -> dict[str, str]:
    """The facts of this machine that could be read; each at most MAX_TEXT printable characters.

    `deployment` is what NixOS has deployed on it.
    """
    cpuinfo, stat, meminfo = (_text(f"/proc/{name}") for name in ("cpuinfo", "stat", "meminfo"))
    found = {
        "hostname": platform.node(),
        "os": parse_os_release(_text("/etc/os-release") or _text("/usr/lib/os-release")),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "cpu": parse_cpu(cpuinfo),
        "cores": str(os.cpu_count() or ""),
        "memory": parse_memory(meminfo),
        "boot_time": parse_boot_time(stat),
        "addresses": joined(_addresses()),
        "systemd": systemd_version(_SYSTEMD_LIBRARIES) if Path("/run/systemd/system").is_dir() else "",
        "virtualization": virtualization(_dmi(), cpuinfo, _container()),
    } | (described(deployment) if deployment else {})
    return {name: fact_text(value) for name, value in found.items() if value}


def fact_text(text: str) -> str:
    """The text without what cannot be printed, cut to what a Hello may hold."""
    return "".join(filter(str.isprintable, text)).strip()[:MAX_TEXT]


def joined(words: list[str]) -> str:
    """As many of the words as a fact has room for, with commas."""
    text = ", ".join(words)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT + 1].rpartition(", ")[0]


def parse_os_release(text: str) -> str:
    """PRETTY_NAME, or NAME, of /etc/os-release; empty without either."""
    fields: dict[str, str] = dict(re.findall(r"^(\w+)=[\"']?(.*?)[\"']?\s*$", text, re.MULTILINE))
    return fields.get("PRETTY_NAME") or fields.get("NAME", "")


def parse_cpu(cpuinfo: str) -> str:
    """The name of the first CPU in /proc/cpuinfo; empty where the kernel gives none, as on many ARM machines."""
    return _first(r"^(?:model name|Model|cpu model|uarch|cpu)\s*:\s*(.+)$", cpuinfo)


def parse_memory(meminfo: str) -> str:
    """MemTotal in bytes, as digits."""
    kibibytes = _first(r"^MemTotal:\s*(\d+) kB$", meminfo)
    return str(int(kibibytes) * 1024) if kibibytes else ""


def parse_boot_time(stat: str) -> str:
    """When the kernel started, in seconds since 1970, as digits."""
    return _first(r"^btime (\d+)$", stat)


def virtualization(dmi: str, cpuinfo: str, container: str) -> str:
    """The kind of container, else of virtual machine ("vm" if it does not say); empty on bare metal."""
    if container:
        return container
    named = next((kind for maker, kind in HYPERVISORS.items() if maker in dmi), "")
    return named or ("vm" if re.search(r"^flags\s*:.*\bhypervisor\b", cpuinfo, re.MULTILINE) else "")


def systemd_version(patterns: Iterable[str]) -> str:
    """The version that the first file found by the patterns has in its name, "257"; empty if there is none."""
    for pattern in patterns:
        for path in Path("/").glob(pattern.lstrip("/")):
            return path.name.removeprefix("libsystemd-shared-").removesuffix(".so")
    return ""


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else ""


def _dmi() -> str:
    return " ".join(_text(f"/sys/class/dmi/id/{name}").strip() for name in ("sys_vendor", "product_name"))


def _container() -> str:
    # systemd and podman leave a note of themselves; Docker leaves an empty file.
    if noted := _text("/run/systemd/container").strip() or os.environ.get("container", ""):  # noqa: SIM112 - its name
        return noted
    return "docker" if Path("/.dockerenv").exists() else ""


def _addresses() -> list[str]:
    try:
        return addresses()
    except OSError:
        # Asked through a netlink socket, which a hardened unit may not have.
        return []


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        # Not every kernel, architecture or container has all of these; the fact is then left out.
        return ""
