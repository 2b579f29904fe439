"""Who may import whom. The tables are the rule; the tests read the source and hold it to them."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "daemons" / "sysmonstm"

# Daemons meet only on the wire: none of these imports another. What lies beside them is shared, and imports none.
DAEMONS = ("collectord", "aggregatord", "gatewayd", "alertd")

# Each of these is wrapped in few places, so that it can change. Exceptions carry their reason.
LIBRARIES = {
    "psutil": ("collectord/probes/*.py",),
    "grpc": (
        "collectord/calls.py",
        "aggregatord/credentials.py",
        "aggregatord/ingest.py",
        "aggregatord/server.py",
    ),
    "psycopg": (
        "aggregatord/history/*.py",
        "aggregatord/migrate.py",
        "aggregatord/rollup/*.py",
        "gatewayd/pool.py",
        "alertd/store*.py",
        "ctl/doctor/database_facts.py",  # asks what a daemon would meet, while none may be able to say it
        "ctl/forget.py",  # nobody can log in to the gateway yet: whoever may write the database may forget a machine
    ),
    "numpy": ("aggregatord/rollup/*.py",),
    "psycopg_pool": ("gatewayd/pool.py",),
    "redis": (
        "bus.py",
        "aggregatord/live.py",
        "gatewayd/live.py",  # the type of the client that it hands to bus.follow
        "gatewayd/readiness.py",  # a ping, and the errors by which it fails
        "ctl/doctor/redis_server.py",  # asks for its version and limits, while no daemon may be able to say them
        "alertd/live.py",  # the client's type, and publishing an event beside bus.follow
    ),
    "aiohttp": (
        "problem.py",  # both daemons that speak HTTP answer errors alike
        "serving.py",  # and stop alike
        "gatewayd/*.py",
        "alertd/control.py",
        "alertd/webhook.py",
    ),
    "aiohttp_jinja2": ("gatewayd/*.py",),
    "systemd": ("journal.py",),
    "dbus_fast": ("collectord/units/bus.py",),
}

# sysmonctl starts daemons as processes and talks to the gateway: it needs none of the daemons' code.
CTL = "ctl"

# What runs on every machine stays small.
NOT_IN_COLLECTORD = ("redis", "psycopg", "aiohttp")


def imports(source: str) -> set[str]:
    """Every module that the source imports, anywhere in it; `from a import b` is both a and a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module, "imports name their module in full"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def faults(path: str, source: str) -> Iterator[str]:
    """The sentences about imports that a module must not make; `path` is relative to the package."""
    owner = path.partition("/")[0] if "/" in path else "shared"
    for module in sorted(imports(source)):
        top, _, rest = module.partition(".")
        daemon = rest.partition(".")[0]
        if top == "sysmonstm" and daemon in DAEMONS and daemon != owner:
            yield f"{path} ({owner}) imports {module}: a daemon is imported by itself only"
        if top == "sysmonstm" and daemon == CTL and owner != CTL:
            yield f"{path} imports {module}: sysmonctl is imported by itself only"
        allowed = LIBRARIES.get(top)
        if allowed is not None and not any(fnmatch(path, pattern) for pattern in allowed):
            yield f"{path} imports {module}: {top} belongs in {', '.join(allowed)}"


def test_every_module_keeps_the_rules() -> None:
    found = [
        fault for file in sorted(ROOT.rglob("*.py")) for fault in faults(str(file.relative_to(ROOT)), file.read_text())
    ]
    assert found == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("gatewayd/api.py", "from sysmonstm.aggregatord.migrate import migrate"),
        ("gatewayd/api.py", "from sysmonstm import aggregatord"),
        ("bus.py", "import sysmonstm.gatewayd.live"),
        ("alertd/engine.py", "from sysmonstm.ctl import servers"),
        ("ctl/up.py", "from sysmonstm.collectord import settings"),
        ("collectord/sampler.py", "import psutil"),
        ("aggregatord/__main__.py", "import grpc.aio"),
        ("alertd/engine.py", "def late():\n    import psycopg.rows"),
        ("metric.py", "from redis.asyncio import Redis"),
        ("alertd/engine.py", "import aiohttp.web"),
    ],
)
def test_a_violation_is_found(path: str, source: str) -> None:
    assert list(faults(path, source)) != []


@pytest.mark.parametrize("library", LIBRARIES)
def test_no_rule_names_a_place_that_does_not_use_it(library: str) -> None:
    for pattern in LIBRARIES[library]:
        modules = [name for file in ROOT.glob(pattern) for name in imports(file.read_text())]
        assert any(name.partition(".")[0] == library for name in modules), f"{pattern} no longer imports {library}"


def test_collectord_loads_nothing_that_it_does_not_need() -> None:
    code = "import json, sys, sysmonstm.collectord.__main__; print(json.dumps(list(sys.modules)))"
    modules = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    loaded = {name.partition(".")[0] for name in modules}
    assert "grpc" in loaded
    assert sorted(loaded & set(NOT_IN_COLLECTORD)) == []
    others = [f"sysmonstm.{daemon}" for daemon in (*DAEMONS[1:], CTL)]
    assert [name for name in modules if name.startswith(tuple(others))] == []
