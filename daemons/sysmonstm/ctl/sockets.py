"""The sockets that `up` binds for the daemons, and the addresses by which this machine reaches them."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from sysmonstm.config import UserError
from sysmonstm.listen import DATAGRAM_MODE, STREAM_MODE, UNIX, Address, bind, bind_path, parse_address

# What each daemon listens on: the FileDescriptorName as in units/, and the setting with its default, or the name of a
# unix socket in the state directory with its kind and mode.
NAMES = {"aggregatord": "ingest", "gatewayd": "http", "alertd": "control", "collectord": "metrics"}
TCP = {
    "aggregatord": ("AGGREGATOR_LISTEN", "127.0.0.1:50051"),
    "gatewayd": ("GATEWAY_LISTEN", "127.0.0.1:8000"),
}
LOCAL = {
    "alertd": ("alertd.sock", socket.SOCK_STREAM, STREAM_MODE),
    "collectord": ("metrics.sock", socket.SOCK_DGRAM, DATAGRAM_MODE),
}


def local_path(state: Path, daemon: str) -> Path:
    """Where a daemon's unix socket is."""
    return state / "run" / LOCAL[daemon][0]


def open_sockets(
    state: Path, environ: Mapping[str, str], but: Mapping[str, object]
) -> Iterator[tuple[str, socket.socket]]:
    """Each daemon's socket, but for those that are open already; UserError where one cannot be had."""
    for name, (setting, default) in TCP.items():
        if name not in but:
            yield name, listen(setting, environ.get(setting, default))
    (state / "run").mkdir(mode=0o700, exist_ok=True)
    for name, (_, kind, mode) in LOCAL.items():
        if name not in but:
            yield name, bind_path(local_path(state, name), kind, mode, f"--state {state}")


def addresses(state: Path, sockets: Mapping[str, socket.socket]) -> dict[str, str]:
    """The settings by which the daemons find one another."""
    return {
        "COLLECTOR_AGGREGATOR_URL": str(from_here(bound_address(sockets["aggregatord"]))),
        "GATEWAY_ALERTD": f"{UNIX}{local_path(state, 'alertd')}",
    }


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
