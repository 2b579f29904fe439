from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sysmonstm.ctl import servers as ctl
from tests.faults.stage import Stage
from tests.faults.system import Server, Servers

# Scenarios that take that long whatever they are told.
LONG_SECONDS = 30


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"long_faults: only with --fault-seconds={LONG_SECONDS} or more")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave those out that take too long."""
    if config.getoption("--fault-seconds") < LONG_SECONDS:
        left_out = [item for item in items if item.get_closest_marker("long_faults")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Servers of the suite's own, whatever others the tests are given: these are killed and frozen."""
    with tempfile.TemporaryDirectory(prefix="sysmon-faults-", dir="/var/tmp") as directory:
        state = Path(directory)
        state.chmod(0o755)
        redis, postgres = Server(ctl.redis, state), Server(ctl.postgres, state)
        with redis, postgres:
            yield Servers(redis, postgres)


@pytest.fixture
def stage(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Iterator[Stage]:
    """An empty hub for one scenario."""
    seed, seconds = request.config.getoption("--fault-seed"), request.config.getoption("--fault-seconds")
    scenario = f"{seed}/{request.node.name}"
    print(f"seed {seed}: run again with --fault-seed={seed} --fault-seconds={seconds:g} -k {request.node.name}")
    with (
        servers.fresh() as database,
        Stage(tmp_path, servers, database, random.Random(scenario), seconds).running() as one,
    ):
        yield one
