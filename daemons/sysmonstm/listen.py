"""What a daemon listens on: the sockets that it was handed, else one bound to `host:port` or `unix:/path`."""

from __future__ import annotations

import enum
import errno
import ipaddress
import os
import socket
import stat
from pathlib import Path
from typing import Annotated, NamedTuple, TypeAlias

from sysmonstm import handed, logs
from sysmonstm.config import Check, UserError

log = logs.logger(__name__)

UNIX = "unix:"
BACKLOG = 1024
# Who may connect to a unix socket that was not handed over: this account and its group; and to StatsD's, everybody.
STREAM_MODE = 0o660
DATAGRAM_MODE = 0o666
# struct sockaddr_un has no room for more.
LONGEST_PATH_BYTES = 107


class Address(NamedTuple):
    """Where to listen; `host` has no brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Place: TypeAlias = Address | Path
"""Where to listen: an address of TCP, or the path of a unix socket."""


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


def parse_path(text: str) -> Path:
    """The path that `unix:/path` means; ValueError if it is none."""
    path = text.removeprefix(UNIX)
    if path == text or not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise ValueError("the address of a unix socket is unix:/path, as in unix:/run/sysmon/alertd.sock")
    if len(os.fsencode(path)) > LONGEST_PATH_BYTES:
        raise ValueError(f"the path of a unix socket has at most {LONGEST_PATH_BYTES} bytes")
    return Path(path)


def parse_place(text: str) -> Place:
    """What `host:port` or `unix:/path` means; ValueError if it is neither."""
    return parse_path(text) if text.startswith(UNIX) else parse_address(text)


def _checked(text: str) -> str:
    parse_place(text)
    return text


def _checked_path(text: str | None) -> str | None:
    if text is not None:
        parse_path(text)
    return text


ListenAddress = Annotated[str, Check(_checked)]
"""A setting that is an address to listen on, `host:port` or `unix:/path`."""

UnixAddress = Check(_checked_path)
"""For a setting, perhaps None, that is the address of a unix socket, `unix:/path`."""


def bind(address: Address, setting: str) -> socket.socket:
    """A listening TCP socket, non-blocking; UserError that names `setting` if the address cannot be had."""
    try:
        info = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(info[0], info[1])
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(info[4])
            sock.listen(BACKLOG)
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


def bind_path(path: Path, kind: socket.SocketKind, mode: int, setting: str) -> socket.socket:
    """A unix socket, non-blocking, with this file mode, in place of one that nobody listens on any more.

    UserError that names `setting` if it cannot be had. A stream socket listens.
    """
    sock = socket.socket(socket.AF_UNIX, kind)
    try:
        _make_room(path, kind)
        # The inode is made with the mode of the descriptor, less the umask: nobody may connect too early.
        os.fchmod(sock.fileno(), mode)
        sock.bind(str(path))
        path.chmod(mode)
        if kind == socket.SOCK_STREAM:
            sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise UserError(
            f"{setting}: cannot listen on {UNIX}{path}: {error.strerror or error}; set {setting} to another path"
        ) from None
    sock.setblocking(False)
    return sock


def _make_room(path: Path, kind: socket.SocketKind) -> None:
    """Remove a socket that nobody listens on; OSError if there is anything else."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise OSError(errno.EEXIST, "there is a file that is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)
        # A full queue, or another type of socket: somebody is there too.
        if probe.connect_ex(str(path)) != errno.ECONNREFUSED:
            raise OSError(errno.EADDRINUSE, "something else listens there already")
    path.unlink(missing_ok=True)


class Guard(enum.Enum):
    """What keeps strangers from a TCP port; the value ends the warning of a port that is not guarded enough."""

    NONE = "without TLS and without a password"
    TLS = "with TLS, but without a password or certificate of those who connect"
    CERTIFICATES = ""


def listeners(name: str, address: str | None, setting: str, guard: Guard = Guard.NONE) -> list[socket.socket]:
    """Every stream socket that the service manager handed over as `name`, or else one bound to `address`.

    None if there is neither. Logs each, with a warning if other machines may reach it and `guard` lets anybody in.
    UserError, which names `setting`, if the address cannot be had.
    """
    found = [sock for sock in handed.take(name) if _is(sock, socket.SOCK_STREAM, name)]
    if not found and address:
        found = [_bind_place(parse_place(address), setting)]
    for sock in found:
        where = describe(sock)
        log.info("listen.open", f"listening on {where}", address=where)
        if guard.value and is_public(sock):
            log.warning("listen.public", f"{where} can be reached from other machines, {guard.value}", address=where)
    return found


def _bind_place(place: Place, setting: str) -> socket.socket:
    if isinstance(place, Path):
        return bind_path(place, socket.SOCK_STREAM, STREAM_MODE, setting)
    return bind(place, setting)


def datagram(name: str, path: Path | None, setting: str) -> socket.socket | None:
    """The datagram socket that the service manager handed over as `name`, or else one bound to `path`, if any.

    UserError, which names `setting`, if the path cannot be had.
    """
    handed_over = [sock for sock in handed.take(name) if _is(sock, socket.SOCK_DGRAM, name)]
    for sock in handed_over[1:]:
        _refuse(sock, name)
    found = handed_over[0] if handed_over else None
    if not found and path:
        found = bind_path(path, socket.SOCK_DGRAM, DATAGRAM_MODE, setting)
    if found:
        log.info("listen.open", f"listening on {describe(found)}", address=describe(found))
    return found


def _is(sock: socket.socket, kind: socket.SocketKind, name: str) -> bool:
    """Whether a socket is of this kind and, if it is a stream's, listens; it is closed if not."""
    listens = kind != socket.SOCK_STREAM or sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    if sock.type == kind and listens:
        return True
    _refuse(sock, name)
    return False


def _refuse(sock: socket.socket, name: str) -> None:
    log.warning("listen.unfit", f"a socket that was handed over as {name} is not fit for it", name=name)
    sock.close()


def describe(sock: socket.socket) -> str:
    """Where a socket listens, as people write it."""
    name = sock.getsockname()
    return f"{UNIX}{os.fsdecode(name)}" if sock.family == socket.AF_UNIX else str(Address(*name[:2]))


def is_public(sock: socket.socket) -> bool:
    """Whether other machines may reach what listens there."""
    if sock.family == socket.AF_UNIX:
        return False
    return not ipaddress.ip_address(sock.getsockname()[0].partition("%")[0]).is_loopback
