"""A hub for benchmarks: private stores and the daemons asked for, as processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sysmonstm.ctl import servers

AGGREGATOR = "127.0.0.1:50951"
GATEWAY = "127.0.0.1:8951"
SETTLE_SECONDS = 3.0


@dataclass
class Hub:
    """Its processes by name, and the environment that daemons of it run in."""

    environment: dict[str, str]
    pids: dict[str, int] = field(default_factory=dict)


@contextmanager
def running(*daemons: str) -> Iterator[Hub]:
    """A Redis, a PostgreSQL and `daemons` ("aggregatord", …), stopped at the end in reverse order."""
    with ExitStack() as stack:
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/var/tmp", prefix="sysmon-bench-")))
        state.chmod(0o755)
        redis, postgres = stack.enter_context(servers.redis(state)), stack.enter_context(servers.postgres(state))
        hub = Hub(
            os.environ
            | {
                "REDIS_URL": redis.url,
                "TIMESCALE_URL": postgres.url,
                "AGGREGATOR_LISTEN": AGGREGATOR,
                "GATEWAY_LISTEN": GATEWAY,
                "COLLECTOR_AGGREGATOR_URL": AGGREGATOR,
                "LOG_LEVEL": "WARNING",
            },
            {"redis": redis.pid, "postgresql": postgres.pid},
        )
        for name in daemons:
            hub.pids[name] = stack.enter_context(_daemon(name, hub.environment)).pid
            time.sleep(SETTLE_SECONDS)
        yield hub


@contextmanager
def _daemon(name: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", f"sysmonstm.{name}"], env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
