"""Runs every benchmark, one after the other: `make bench`."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

for benchmark in sorted(Path(__file__).parent.glob("bench_*.py")):
    sys.argv[1:] = []
    runpy.run_module(f"tests.bench.{benchmark.stem}", run_name="__main__")
