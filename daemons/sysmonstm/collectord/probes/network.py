"""Traffic of network interfaces, and how many connections there are, from /proc/net.

Left out are the loopback and what comes and goes with containers and virtual machines (veth, tap, and the bridges
that Docker names): hundreds of series that nobody asks for twice, whose traffic passes an interface that is shown.
Tunnels, bonds, VLANs and bridges with a name of their own stay: people watch them. An interface that has never
carried anything (sit0, ifb0, an empty socket) is left out until it does.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from pathlib import Path

import psutil

from sysmonstm.collectord.probe import KernelFile, Probe, Rates, Row, instance_name
from sysmonstm.metric import Kind, Metric, Unit


def _metric(name: str, unit: Unit, help_text: str) -> Metric:
    return Metric(name, unit, Kind.RATE, help_text, "interface")


RECEIVED = _metric("network.received", Unit.BYTES_PER_SECOND, "Bytes received")
SENT = _metric("network.sent", Unit.BYTES_PER_SECOND, "Bytes sent")
RECEIVE_ERRORS = _metric("network.receive_errors", Unit.COUNT_PER_SECOND, "Packets that arrived damaged")
SEND_ERRORS = _metric("network.send_errors", Unit.COUNT_PER_SECOND, "Packets that could not be sent")
RECEIVE_DROPS = _metric("network.receive_drops", Unit.COUNT_PER_SECOND, "Packets received and thrown away")
SEND_DROPS = _metric("network.send_drops", Unit.COUNT_PER_SECOND, "Packets thrown away before they were sent")
CONNECTIONS = Metric(
    "network.connections", Unit.COUNT, Kind.GAUGE, "TCP and UDP sockets, listening and closing ones too"
)
TCP_ESTABLISHED = Metric("network.tcp_established", Unit.COUNT, Kind.GAUGE, "TCP connections that can carry data")

PER_INTERFACE = (RECEIVED, SENT, RECEIVE_ERRORS, SEND_ERRORS, RECEIVE_DROPS, SEND_DROPS)

_PASSING = re.compile(
    r"lo|(?:veth|vb-|ve-|vnet|tap|macvtap|cali|lxc|fwbr|fwln|fwpr|ifb|dummy).*"
    r"|(?:docker|podman|cni|virbr)\d+|br-[0-9a-f]{12}"
)


def is_shown(interface: str) -> bool:
    """Whether the interface is one that people watch."""
    return not _PASSING.fullmatch(interface)


def parse_interfaces(text: str) -> dict[str, tuple[int, ...]]:
    """The counters of each shown interface that has ever carried anything, ordered like PER_INTERFACE."""
    found: dict[str, tuple[int, ...]] = {}
    for line in text.splitlines()[2:]:
        name, _, numbers = line.strip().rpartition(":")
        fields = numbers.split(maxsplit=12)
        if is_shown(name) and (fields[0], fields[8]) != ("0", "0"):
            received, _, receive_errors, receive_drops = map(int, fields[:4])
            sent, _, send_errors, send_drops = map(int, fields[8:12])
            found[name] = (received, sent, receive_errors, send_errors, receive_drops, send_drops)
    return found


_SOCKETS = re.compile(r"^(?:TCP6?: inuse (\d+)(?: orphan \d+ tw (\d+))?|UDP6?: inuse (\d+))", re.MULTILINE)


def parse_sockets(text: str) -> int:
    """How many TCP and UDP sockets /proc/net/sockstat or sockstat6 counts.

    Those that wait after closing (tw) are counted beside the ones in use, for both families in the first file.
    """
    return sum(int(number) for numbers in _SOCKETS.findall(text) for number in numbers if number)


def parse_established(snmp: str) -> int:
    """CurrEstab from the text of /proc/net/snmp: connections of both families in ESTABLISHED or CLOSE-WAIT."""
    names, values = (line.split() for line in snmp.splitlines() if line.startswith("Tcp:"))
    return int(values[names.index("CurrEstab")])


class NetworkProbe(Probe):
    """Interfaces and sockets of the collector's own network namespace."""

    name = "network"
    metrics = (*PER_INTERFACE, CONNECTIONS, TCP_ESTABLISHED)

    def __init__(self) -> None:
        self._interfaces = KernelFile("/proc/net/dev")
        self._snmp = KernelFile("/proc/net/snmp")
        # The second is missing where IPv6 is switched off.
        families = (Path("/proc/net/sockstat"), Path("/proc/net/sockstat6"))
        self._sockets = [KernelFile(str(path)) for path in families if path.exists()]
        self._rates = Rates()

    def read(self, now: float) -> Iterable[Row]:
        """Rates since the last reading, and counts as they are now."""
        rates = self._rates.since_last(now, parse_interfaces(self._interfaces.read()))
        for interface, values in rates.items():
            instance = instance_name(interface)
            for metric, value in zip(PER_INTERFACE, values, strict=True):
                yield metric, instance, value
        yield CONNECTIONS, "", sum(parse_sockets(file.read()) for file in self._sockets)
        yield TCP_ESTABLISHED, "", parse_established(self._snmp.read())


def addresses() -> list[str]:
    """The addresses under which others may reach this machine, of the interfaces that are shown."""
    return [
        one.address
        for interface, found in psutil.net_if_addrs().items()
        if is_shown(interface)
        for one in found
        if one.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(one.address)
    ]


def _is_local(address: str) -> bool:
    # A link-local address of IPv6 carries its interface behind a percent sign.
    parsed = ipaddress.ip_address(address.partition("%")[0])
    return parsed.is_loopback or parsed.is_link_local
