"""The first words of HTTP/2 on a plain connection: enough to see whether a gRPC server is there."""

from __future__ import annotations

import socket

# The client's preface, and an empty SETTINGS frame.
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
FRAME_HEADER_BYTES = 9
SETTINGS = 4


def connected(listener: socket.socket) -> socket.socket:
    """A connection to what listens there, on which the preface is sent."""
    sock = socket.socket(listener.family, socket.SOCK_STREAM)
    sock.settimeout(60)
    sock.connect(listener.getsockname())
    sock.sendall(PREFACE)
    return sock


def is_answered(sock: socket.socket) -> bool:
    """Whether a server answers with its settings, which is waited for; not if it closes the connection."""
    said = b""
    while len(said) < FRAME_HEADER_BYTES:
        try:
            piece = sock.recv(1000)
        except ConnectionResetError:
            return False
        if not piece:
            return False
        said += piece
    return said[3] == SETTINGS
