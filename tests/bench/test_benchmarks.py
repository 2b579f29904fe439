"""The benchmarks of the dashboard run: small, for their words, as what nobody runs for weeks breaks unseen."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.web.conftest import CHROMIUM, MISSING

PATIENCE_SECONDS = 300


def _told(benchmark: str, *arguments: str) -> str:
    command = [sys.executable, "-m", f"tests.bench.{benchmark}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.browser
def test_what_the_dashboard_costs_a_browser_is_measured() -> None:
    if CHROMIUM is None:
        pytest.skip(MISSING)
    told = _told("bench_dashboard", "--machines=20", "--seconds=2")
    assert re.search(r"first row after \d+ ms .*\n  first chart, with history, after \d+ ms ", told)
    assert re.search(r"from live to a year and back, 6 ranges: \d+ tasks longer than 50 ms", told)
    memory = r"MB of JavaScript, at first and every 60 s: \d+\.\d \d+\.\d; \d+ nodes at first, \d+ at last"
    assert len(re.findall(memory, told)) == 2


def test_what_many_clients_cost_the_gateway_is_measured() -> None:
    told = _told("bench_websocket", "--machines=20", "--clients=10", "--interval=1", "--settle=1", "--seconds=2")
    shares = re.findall(r"deflated: \d+\.\d% of a core, \d+ MiB resident", told)
    samples = re.findall(r"([1-9]\d*) samples a second", told)
    assert len(shares) == len(samples) >= 4
