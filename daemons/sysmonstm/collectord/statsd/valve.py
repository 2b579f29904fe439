"""Shuts a datagram socket: what is sent to it then is thrown away by the kernel, and no sender has to wait.

A socket that is not read fills up, and whoever sends to it waits, or gets EAGAIN. A filter that lets nothing pass makes
the kernel take each datagram with success and forget it, at no cost to this process. It counts none of them.
"""

from __future__ import annotations

import contextlib
import socket
import struct
from array import array

# From <asm-generic/socket.h>; Python names neither.
_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
# One instruction of classic BPF, struct sock_filter: "return 0", so many bytes of each datagram are kept.
_RETURN_0 = struct.pack("HBBI", 0x06, 0, 0, 0)


def shut(sock: socket.socket) -> bool:
    """Let nothing in from now on; False if this kernel cannot. The socket is empty afterwards."""
    # ctypes would give the address too, but cannot be loaded where memory may not become executable.
    program = array("B", _RETURN_0)
    address, _ = program.buffer_info()
    try:
        # struct sock_fprog: how many instructions, and where they are.
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", 1, address))
    except OSError:
        return False
    _empty(sock)
    return True


def unshut(sock: socket.socket) -> None:
    """Let datagrams in again; nothing if it is not shut. A process that was killed may have left it so."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)


def _empty(sock: socket.socket) -> None:
    # Senders that wait for room go on, and meet the filter: it ends.
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.recv(1, socket.MSG_DONTWAIT)
