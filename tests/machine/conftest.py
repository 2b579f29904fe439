"""One fleet for all tests of a run, and what its machines said where one fails."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.machine import trees
from tests.machine.fleet import Fleet, fleet

OUTPUT = trees.ROOT / "tests/output/machines"
FLEET = pytest.StashKey[Fleet]()


@pytest.fixture(scope="session", name="fleet")
def running_fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """The fleet; each test leaves it whole."""
    if reason := trees.why_not():
        pytest.skip(reason)
    shutil.rmtree(OUTPUT, ignore_errors=True)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sysmon-test-", dir="/var/tmp") as directory:
        with fleet(Path(directory)) as found:
            request.config.stash[FLEET] = found
            print(f"\na fleet of {len(found.machines)} machines in {time.monotonic() - started:.0f} s")
            yield found
        del request.config.stash[FLEET]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the journals of a test that failed."""
    report = yield
    found = item.config.stash.get(FLEET, None)
    if report.failed and found is not None:
        folder = OUTPUT / item.name
        folder.mkdir(parents=True, exist_ok=True)
        for machine in found.machines:
            since = f"--since=@{call.start - 5:.0f}"
            (folder / f"{machine.name}.journal").write_text(machine.ask("journalctl", "--no-pager", since).stdout)
        report.sections.append(("journals of the machines", str(folder.relative_to(trees.ROOT))))
    return report
