"""The listening sockets that `up` binds for the daemons, and the addresses by which this machine reaches them."""

from __future__ import annotations

import ipaddress
import socket

from sysmonstm.config import UserError
from sysmonstm.listen import Address, bind, parse_address


def listen(setting: str, text: str) -> socket.socket:
    """A socket that listens at the address in `text`; UserError that names the setting if that cannot be."""
    try:
        address = parse_address(text.strip())
    except ValueError as error:
        raise UserError(f"{setting}: {error} (given: {text!r})") from None
    return bind(address, setting)


def bound_address(listener: socket.socket) -> Address:
    """Where it listens: the port is the real one even if 0, which is any, was asked for."""
    host, port = listener.getsockname()[:2]
    return Address(host, port)


def from_here(address: Address) -> Address:
    """What a client on this machine connects to, where the address may mean every interface."""
    if not ipaddress.ip_address(address.host).is_unspecified:
        return address
    return Address("::1" if ":" in address.host else "127.0.0.1", address.port)
