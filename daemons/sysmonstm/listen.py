"""What a daemon listens on: the sockets that it was handed, else one bound to `host:port`."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
from typing import Annotated, NamedTuple

from sysmonstm import logs, service
from sysmonstm.config import Check, UserError

log = logs.logger(__name__)


class Address(NamedTuple):
    """Where to listen; `host` has no brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """The address that `host:port` or `[::1]:port` means; ValueError if it is neither."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError("an IPv6 address is written in brackets: [::1]:8000")
    if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65536):
        raise ValueError("an address is host:port, as in 127.0.0.1:8000")
    return Address(host, int(port))


def _checked(text: str) -> str:
    parse_address(text)
    return text


ListenAddress = Annotated[str, Check(_checked)]
"""A setting that is an address to listen on."""


def bind(address: Address, setting: str) -> socket.socket:
    """A listening TCP socket, non-blocking; UserError that names `setting` if the address cannot be had."""
    try:
        info = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(info[0], info[1])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(info[4])
            sock.listen(1024)
        except OSError:
            sock.close()
            raise
    except UnicodeError:
        reason = "its host is no name"
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "something else listens there already" if taken else str(error.strerror)
    else:
        sock.setblocking(False)
        return sock
    raise UserError(f"{setting}: cannot listen on {address}: {reason}; set {setting} to another address")


def listeners(address: str, setting: str) -> list[socket.socket]:
    """Every stream socket that the service manager handed over, or else one bound to `address`, as `setting` says.

    Logs each, with a warning if other machines may reach it. UserError if the address cannot be had.
    """
    handed = [sock for group in service.inherited_sockets(os.environ).values() for sock in group]
    found = [sock for sock in handed if sock.type == socket.SOCK_STREAM] or [bind(parse_address(address), setting)]
    for sock in found:
        where = describe(sock)
        log.info("listen.open", f"listening on {where}", address=where)
        if is_public(sock):
            log.warning(
                "listen.public",
                f"{where} can be reached from other machines, without TLS and without a password",
                address=where,
            )
    return found


def describe(sock: socket.socket) -> str:
    """Where a socket listens, as people write it."""
    name = sock.getsockname()
    return f"unix:{os.fsdecode(name)}" if sock.family == socket.AF_UNIX else str(Address(*name[:2]))


def is_public(sock: socket.socket) -> bool:
    """Whether other machines may reach what listens there."""
    if sock.family == socket.AF_UNIX:
        return False
    return not ipaddress.ip_address(sock.getsockname()[0].partition("%")[0]).is_loopback
