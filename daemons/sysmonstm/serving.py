"""Serves an aiohttp application on listening sockets, and stops so that nobody who has connected is turned away."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiohttp import ClientConnectionResetError, web
from aiohttp.http import HttpProcessingError

# For those who were accepted just before the end: their requests are still on the way. Who comes later waits in the
# socket's queue for the next process, where a service manager holds the socket.
LINGER_SECONDS = 0.25
# asyncio sets it anew on a socket that listens already.
QUEUED_CONNECTIONS = 4096


# What is no HTTP, which is answered with 400, and a client that is gone before it is answered.
_FAULTS_OF_CLIENTS = (HttpProcessingError, ClientConnectionResetError)


def _not_the_clients_fault(record: logging.LogRecord) -> bool:
    """Whoever talks nonsense or breaks off must not fill the log with our tracebacks."""
    return not (record.exc_info and isinstance(record.exc_info[1], _FAULTS_OF_CLIENTS))


_logger = logging.getLogger(__name__)
_logger.addFilter(_not_the_clients_fault)


@asynccontextmanager
async def serving(
    app: web.Application,
    sockets: Sequence[socket.socket],
    drain_seconds: float,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[None]:
    """Serve for as long as the block runs; then answer what has been asked, within LINGER_SECONDS + `drain_seconds`.

    By https what comes by TCP, if there is `tls`. Closes the sockets.
    """
    runner = web.AppRunner(app, access_log=None, logger=_logger, shutdown_timeout=drain_seconds)
    await runner.setup()
    try:
        for sock in sockets:
            context = None if sock.family == socket.AF_UNIX else tls
            await web.SockSite(runner, sock, ssl_context=context, backlog=QUEUED_CONNECTIONS).start()
        yield
    finally:
        # Accepting ends first: asyncio drops those whom it has just accepted where the server is closed before.
        for sock in sockets:
            asyncio.get_running_loop().remove_reader(sock)
        if sockets:
            await asyncio.sleep(LINGER_SECONDS)
        await runner.cleanup()
