"""Whether the kernel may give the hub's ports to somebody else's outgoing connection before the hub has them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sysmonstm.ctl.doctor import asking
from sysmonstm.ctl.doctor.finding import Finding, ok, warn
from sysmonstm.ctl.doctor.listening import addresses
from sysmonstm.ctl.doctor.place import Place

IPV4 = Path("/proc/sys/net/ipv4")


def check(place: Place) -> list[Finding]:
    """Of a hub that systemd runs: its sockets must be had at each start."""
    if not (place.by_systemd and place.is_hub):
        return []
    given = asking.text_of(IPV4 / "ip_local_port_range")
    reserved = asking.text_of(IPV4 / "ip_local_reserved_ports") or ""
    return judge(given, reserved, wanted(place)) if given else []


def wanted(place: Place) -> list[int]:
    """The ports that systemd listens on."""
    sockets = (one.socket for one in place.daemons)
    return sorted({at.port for one in sockets if one for at in addresses(one.shown.get("Listen", ""))})


def judge(given: str, reserved: str, wanted: Sequence[int]) -> list[Finding]:
    """What is to be said of the ports that are given out and of those kept back, in the kernel's words, and of ours."""
    first, last = (int(word) for word in given.split()[:2])
    kept = _ports(reserved)
    loose = [port for port in wanted if first <= port <= last and port not in kept]
    if not loose:
        return [ok("no outgoing connection can be given the hub's ports")]
    named = ",".join(map(str, loose))
    line = f"net.ipv4.ip_local_reserved_ports = {','.join([*([reserved.strip()] if reserved.strip() else []), named])}"
    return [
        warn(
            f"an outgoing connection may be given port {named} while the hub is down, which then cannot start",
            f"echo '{line}' >/etc/sysctl.d/50-sysmonstm.conf && sysctl --system",
        )
    ]


def _ports(text: str) -> set[int]:
    """Of "8080,9148-9150"."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first.isdecimal():
            found.update(range(int(first), int(last or first) + 1))
    return found
