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
from tests.whole_system import free_port

# Free when this is imported: benchmarks may run side by side.
AGGREGATOR = f"127.0.0.1:{free_port()}"
GATEWAY = f"127.0.0.1:{free_port()}"
SETTLE_SECONDS = 3.0


@dataclass
class Hub:
    """Its processes by name, the environment that daemons of it run in, and which PostgreSQL it has."""

    environment: dict[str, str]
    edition: str
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
                "COLLECTOR_SPOOL_DIRECTORY": str(state / "collector"),
                "LOG_LEVEL": "WARNING",
            },
            postgres.edition,
            {"redis": redis.pid, "postgresql": postgres.pid},
        )
        for name in daemons:
            hub.pids[name] = stack.enter_context(daemon(name, hub.environment)).pid
            time.sleep(SETTLE_SECONDS)
            assert Path(f"/proc/{hub.pids[name]}/exe").exists(), f"{name} has ended; see above"
        yield hub


@contextmanager
def daemon(name: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """One daemon as a process for as long as the block."""
    process = subprocess.Popen([sys.executable, "-m", f"sysmonstm.{name}"], env=environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
