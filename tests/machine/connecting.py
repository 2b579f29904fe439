"""A client that connects again and again until its standard input ends; it is run on a machine by its source.

Each connection speaks as gRPC does, and counts once the server's own settings have come: then it is served. What goes
wrong is printed, one line for each, and how many were made.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = 4
EMPTY_SETTINGS = bytes([0, 0, 0, SETTINGS, 0, 0, 0, 0, 0])
HEADER_BYTES = 9
# As long as a collector waits for them before it gives up.
PATIENCE_SECONDS = 20


async def connect(address: str) -> float:
    """Make one connection; how many seconds it took until it was served."""
    began = time.monotonic()
    host, _, port = address.rpartition(":")
    opening = asyncio.open_unix_connection(address) if host == "" else asyncio.open_connection(host, int(port))
    reader, writer = await opening
    try:
        writer.write(PREFACE + EMPTY_SETTINGS)
        header = await asyncio.wait_for(reader.readexactly(HEADER_BYTES), PATIENCE_SECONDS)
        assert header[3] == SETTINGS, header
    finally:
        writer.close()
    return time.monotonic() - began


async def connect_until_told(address: str, pause: float) -> None:
    """Begin a connection every `pause` seconds."""
    loop = asyncio.get_running_loop()
    told = loop.run_in_executor(None, sys.stdin.read)
    begun = []
    while not told.done():
        begun.append(asyncio.create_task(connect(address)))
        await asyncio.sleep(pause)
    results = await asyncio.gather(*begun, return_exceptions=True)
    failures = [repr(one) for one in results if isinstance(one, BaseException)]
    slowest = max((one for one in results if isinstance(one, float)), default=0.0)
    print(json.dumps({"made": len(results), "failures": failures, "slowest": slowest}))


if __name__ == "__main__":
    asyncio.run(connect_until_told(sys.argv[1], float(sys.argv[2])))
