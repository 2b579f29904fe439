"""Where systemd listens, in the words of `systemctl show`, and how that is reached from here."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path

from sysmonstm.listen import Address, parse_address


def listed(text: str) -> list[tuple[Path | Address, int]]:
    """The places in systemd's words: lines such as "127.0.0.1:50051 (Stream)"."""
    found: list[tuple[Path | Address, int]] = []
    for line in text.splitlines():
        place, _, kind = line.partition(" (")
        number = socket.SOCK_DGRAM if kind.startswith("Datagram") else socket.SOCK_STREAM
        if place.startswith("/"):
            found.append((Path(place), number))
            continue
        try:
            address = parse_address(place)
        except ValueError:
            # Of a kind that no unit of ours has, as an abstract socket: who adds one by a drop-in knows what it is for.
            continue
        found.append((Address(_reached(address.host), address.port), number))
    return found


def addresses(text: str) -> list[Address]:
    """Of these, those of TCP."""
    return [where for where, _ in listed(text) if isinstance(where, Address)]


def nearest(found: Iterable[Address]) -> Address | None:
    """The one to ask from here: a loopback one before others, IPv4 before IPv6, None if there is none."""
    return min(found, key=lambda one: (not is_loopback(one.host), ":" in one.host), default=None)


def is_loopback(host: str) -> bool:
    """Whether this numeric address is the machine's own; a name is not looked up."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _reached(host: str) -> str:
    """From here, what listens on every address is reached on loopback."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - told apart, not bound
