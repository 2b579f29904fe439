"""Lets grpc.aio serve a listening socket that it did not open.

grpcio has no way to take one, so the daemon accepts on it here and copies bytes between each connection and a private
unix socket on which grpc.aio listens. TLS ends in gRPC, on a unix socket of its own. The unix side is bound to a name
that carries the peer's address, so that gRPC's context.peer() shows it.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import resource
import secrets
import socket
import struct
from collections.abc import Callable, Sequence

from sysmonstm import logs
from sysmonstm.listen import Address

log = logs.logger(__name__)

CHUNK_BYTES = 256 * 1024
ACCEPTS_PER_WAKE = 64
PAUSE_SECONDS = 0.1
QUEUE_SECONDS = 0.01
# A connection takes two descriptors here and one in gRPC; the rest of the process needs some too.
DESCRIPTORS_PER_CONNECTION = 3
DESCRIPTORS_RESERVED = 64
_NOTHING_TO_ACCEPT = (BlockingIOError, InterruptedError, ConnectionAbortedError)


_PEER = re.compile(r"unix-abstract:sysmon-peer/(?P<host>[0-9A-Fa-f:.]+)/(?P<port>[0-9]+)/[0-9a-f]+/[0-9]+")
_LOCAL_PEER = re.compile(r"unix-abstract:sysmon-peer/unix/(?P<uid>[0-9]+)/(?P<pid>[0-9]+)/[0-9a-f]+/[0-9]+")
# struct ucred: pid, uid, gid.
_CREDENTIALS = struct.Struct("3i")


def peer_address(peer: str) -> str:
    """The `host:port` behind what gRPC's context.peer() says of a relayed connection; of any other, what it says.

    Of a peer on this machine it is `unix:uid=0,pid=1`, the account and the process that connected.
    """
    if local := _LOCAL_PEER.fullmatch(peer):
        return f"unix:uid={local['uid']},pid={local['pid']}"
    match = _PEER.fullmatch(peer)
    return str(Address(match["host"], int(match["port"]))) if match else peer


def _peer_name(peer: socket.socket, address: object) -> str:
    """What is behind a connection, for the name of gRPC's side of it."""
    if isinstance(address, tuple):
        return f"{address[0]}/{address[1]}"
    pid, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return f"unix/{uid}/{pid}"


class _Flow:
    """One direction of a connection: what `source` sends goes to `sink`, and no faster than it takes it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, source: socket.socket, sink: socket.socket) -> None:
        self._loop, self._source, self._sink = loop, source, sink
        self._unsent = memoryview(b"")
        self._over: Callable[[bool], None]
        self.ended = False

    def start(self, over: Callable[[bool], None]) -> None:
        """Copy until the source ends; then `over(False)`, or `over(True)` if the connection broke."""
        self._over = over
        self._loop.add_reader(self._source, self._readable)

    def stop(self) -> None:
        """Copy no more."""
        self._loop.remove_reader(self._source)
        self._loop.remove_writer(self._sink)

    def _readable(self) -> None:
        try:
            data = self._source.recv(CHUNK_BYTES)
            if not data:
                self._end()
                return
            sent = self._send(data)
        except BlockingIOError:
            return
        except OSError:
            self._over(True)
            return
        if sent < len(data):
            self._unsent = memoryview(data)[sent:]
            self._loop.remove_reader(self._source)
            self._loop.add_writer(self._sink, self._writable)

    def _send(self, data: bytes | memoryview) -> int:
        try:
            return self._sink.send(data)
        except BlockingIOError:
            return 0

    def _writable(self) -> None:
        try:
            self._unsent = self._unsent[self._send(self._unsent) :]
        except OSError:
            self._over(True)
            return
        if not self._unsent:
            self._loop.remove_writer(self._sink)
            self._loop.add_reader(self._source, self._readable)

    def _end(self) -> None:
        self.ended = True
        self._loop.remove_reader(self._source)
        try:
            self._sink.shutdown(socket.SHUT_WR)
        except OSError:
            self._over(True)
            return
        self._over(False)


class _Connection:
    """Both directions between a peer and gRPC; closed when both have ended or either broke."""

    def __init__(self, loop: asyncio.AbstractEventLoop, peer: socket.socket, grpc_side: socket.socket) -> None:
        self._sockets = (peer, grpc_side)
        self._flows = (_Flow(loop, peer, grpc_side), _Flow(loop, grpc_side, peer))

    def start(self, closed: Callable[[_Connection], None]) -> None:
        def over(broken: bool) -> None:
            if broken or all(flow.ended for flow in self._flows):
                self.close()
                closed(self)

        for flow in self._flows:
            flow.start(over)

    def close(self) -> None:
        for flow in self._flows:
            flow.stop()
        for sock in self._sockets:
            sock.close()


def _refuse(reason: OSError, *sockets: socket.socket | None) -> None:
    log.warning("relay.refused", "a connection was closed: gRPC does not take it", reason=str(reason))
    for sock in sockets:
        if sock:
            sock.close()


class Relay:
    """Accepts on `listeners` and copies each connection to the unix socket at `target`.

    What comes by TCP goes to the one at `tcp_target`, if there is one. gRPC listens there and needs
    ("grpc.so_reuseport", 0). Connections beyond what the limit on descriptors allows wait in the kernel's queue:
    without that cap the relay could take the ones that gRPC needs to accept its side, and both would wait for ever.
    """

    def __init__(self, listeners: Sequence[socket.socket], target: str, tcp_target: str | None = None) -> None:
        self._listeners = list(listeners)
        self._target = target
        self._tcp_target = tcp_target or target
        # Names of abstract sockets are those of the whole machine, and another relay may be ending right now.
        self._own = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._connections: set[_Connection] = set()
        # Accepted, and not yet taken by gRPC.
        self._waiting: set[tuple[socket.socket, socket.socket]] = set()
        self._accepting = False
        self._full = False
        soft_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        self._most = max(1, (soft_limit - DESCRIPTORS_RESERVED) // DESCRIPTORS_PER_CONNECTION)

    @property
    def connections(self) -> int:
        """How many connections are open now."""
        return len(self._connections)

    def start(self) -> None:
        """Begin to accept; needs the running event loop, and gRPC to listen already."""
        self._loop = asyncio.get_running_loop()
        self._accepting = True
        for listener in self._listeners:
            self._arm(listener)

    def stop_accepting(self) -> None:
        """Leave later connections in the kernel's queue, for the next instance; open ones go on."""
        self._accepting = False
        for listener in self._listeners:
            self._loop.remove_reader(listener)

    def close(self) -> None:
        """Close every open connection."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        for pair in self._waiting:
            for sock in pair:
                sock.close()
        self._waiting.clear()

    def _arm(self, listener: socket.socket) -> None:
        if self._accepting:
            self._loop.add_reader(listener, self._acceptable, listener)

    def _pause(self, listener: socket.socket) -> None:
        """Look again later rather than spin on a listener that stays readable."""
        self._loop.remove_reader(listener)
        self._loop.call_later(PAUSE_SECONDS, self._arm, listener)

    def _acceptable(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTS_PER_WAKE):
            if self._waiting:
                # gRPC's own queue is full: the kernel's is the place to wait.
                self._pause(listener)
                return
            if len(self._connections) >= self._most:
                self._say_full(f"{self._most} connections are open, as many as the limit on descriptors allows")
                self._pause(listener)
                return
            try:
                peer, address = listener.accept()
            except _NOTHING_TO_ACCEPT:
                self._full = False
                return
            except OSError as error:
                # Out of descriptors or memory, or the network's error of one connection.
                self._say_full(str(error))
                self._pause(listener)
                return
            self._connect(peer, address)

    def _say_full(self, reason: str) -> None:
        """Once for each time that connections begin to wait."""
        if not self._full:
            log.warning("relay.full", "connections wait in the kernel's queue", reason=reason)
        self._full = True

    def _connect(self, peer: socket.socket, address: object) -> None:
        peer.setblocking(False)
        grpc_side = None
        is_tcp = isinstance(address, tuple)
        try:
            grpc_side = socket.socket(socket.AF_UNIX)
            grpc_side.setblocking(False)
            if is_tcp:
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            grpc_side.bind(f"\0sysmon-peer/{_peer_name(peer, address)}/{self._own}/{next(self._numbers)}")
        except OSError as error:
            _refuse(error, peer, grpc_side)
            return
        self._waiting.add((peer, grpc_side))
        self._join(peer, grpc_side, self._tcp_target if is_tcp else self._target)

    def _join(self, peer: socket.socket, grpc_side: socket.socket, target: str) -> None:
        if (peer, grpc_side) not in self._waiting:
            # Closed meanwhile.
            return
        try:
            # A unix connect ends at once: into the listener's queue, or EAGAIN where that is full, as in a storm.
            grpc_side.connect(target)
        except BlockingIOError:
            self._loop.call_later(QUEUE_SECONDS, self._join, peer, grpc_side, target)
            return
        except OSError as error:
            self._waiting.remove((peer, grpc_side))
            _refuse(error, peer, grpc_side)
            return
        self._waiting.remove((peer, grpc_side))
        connection = _Connection(self._loop, peer, grpc_side)
        self._connections.add(connection)
        connection.start(self._connections.discard)
