"""Keeps the hub's port from being given to an outgoing connection: it lies where the kernel takes those from.

What is reserved is one list, which a later file in sysctl.d replaces. So ours comes early and carries what is there.
"""

from __future__ import annotations

from pathlib import Path

from sysmonstm.ctl.installing.files import put, take_away
from sysmonstm.ctl.installing.steps import Steps
from sysmonstm.ctl.installing.units import PORTS

SYSCTL = Path("/usr/local/lib/sysctl.d/10-sysmonstm.conf")
RESERVED = Path("/proc/sys/net/ipv4/ip_local_reserved_ports")
PORT = PORTS["aggregatord"]


def reserve_port(steps: Steps) -> None:
    """Reserve it from now on and at each boot; what is reserved for others stays so."""
    now = "" if steps.elsewhere else RESERVED.read_text().strip()
    wanted = with_port(now, PORT)
    put(steps, SYSCTL, f"net.ipv4.ip_local_reserved_ports = {wanted}\n")
    if wanted != now and not steps.elsewhere:
        steps.take(f"reserve port {PORT}", lambda: _set(steps, wanted))


def release_port(steps: Steps) -> None:
    """Not at the next boot any more."""
    take_away(steps, SYSCTL)


def with_port(reserved: str, port: int) -> str:
    """The kernel's list, "8080,9148-9150", with this port in it."""
    for part in filter(None, reserved.split(",")):
        first, _, last = part.partition("-")
        if int(first) <= port <= int(last or first):
            return reserved
    return f"{reserved},{port}" if reserved else str(port)


def _set(steps: Steps, wanted: str) -> None:
    try:
        RESERVED.write_text(wanted)
    except OSError as error:
        # As in a container that shares its network; the hub works without, but for a rare clash.
        steps.say(f"port {PORT} could not be reserved: {error.strerror}")
