"""How the machines become what they are: by `sysmonctl install`, as people do it, and one setting changed by hand."""

from __future__ import annotations

from tests.machine.machine import Machine

# What Debian's packages have running as soon as they are installed.
DATABASES = ("postgresql.service", "redis-server.service")
DATABASE = "sysmon"


def install_hub(hub: Machine, interval: float) -> None:
    """A hub that others reach at its address; it samples every `interval` seconds itself."""
    hub.run("sysmonctl", "install", "--role", "hub", "--listen", hub.address, "--now")
    _sample_every(hub, interval)


def install_watched(machine: Machine, hub: Machine, interval: float) -> None:
    """A machine that sends to the hub every `interval` seconds."""
    machine.run("sysmonctl", "install", "--role", "machine", "--hub", hub.address, "--now")
    _sample_every(machine, interval)


def _sample_every(machine: Machine, interval: float) -> None:
    with machine.path("/etc/sysmonstm/collectord.toml").open("a") as settings:
        settings.write(f"collection_interval = {interval}\n")
    machine.run("systemctl", "reload", "sysmon-collectord.service")
