"""Where the dashboard of this machine is: where systemd listens for it, or where `sysmonctl up` has it."""

from __future__ import annotations

from sysmonstm.ctl.doctor import units
from sysmonstm.ctl.doctor.listening import addresses, nearest
from sysmonstm.ctl.doctor.units import Unit
from sysmonstm.listen import Address

SOCKET = "sysmon-gatewayd.socket"
USUAL = Address("127.0.0.1", 8000)
DEFAULT_URL = f"http://{USUAL}"


def url_here() -> str:
    """Of the socket that systemd has for it, if it listens; else the usual one.

    systemd is asked first: where its port is another, something else may have the usual one.
    """
    socket = units.ask((SOCKET,)).get(SOCKET)
    return url_of(socket if socket and socket.state == "active" else None, "http")


def url_of(socket: Unit | None, scheme: str) -> str:
    """How what a socket of systemd's listens for is reached from here; the usual address where it has none of TCP."""
    listens = addresses(socket.shown.get("Listen", "")) if socket else []
    return f"{scheme}://{nearest(listens) or USUAL}"
