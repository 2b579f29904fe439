"""`sysmonctl forget` through the whole system: command, database, aggregator, Redis, gateway, browser."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import aiohttp

from tests.path.test_path import collector
from tests.whole_system import WholeSystem, eventually


def _forget(system: WholeSystem, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sysmonstm.ctl", "forget", *arguments, "--state", str(system.state)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


async def test_a_machine_that_is_forgotten_leaves_the_dashboard_and_its_history(system: WholeSystem) -> None:
    with collector(system, "old-machine"):
        system.moves_on("old-machine")
        eventually(
            "history knows it", lambda: system.get("/api/events?kind=machine.new&machine=old-machine").get("events")
        )
        refused = _forget(system, "old-machine")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "old-machine still sends" in refused.stderr
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{system.url}/ws") as socket:
        done = _forget(system, "old-machine", "--force")
        assert done.returncode == 0, done.stderr
        update: dict[str, Any] = {"type": "snapshot"}
        while update["type"] != "forgotten":
            update = json.loads((await socket.receive(30)).data)
    assert update["machines"] == ["old-machine"]
    left = [one["machine"] for one in system.get("/api/machines")["machines"]]
    assert "this-machine" in left
    assert "old-machine" not in left
    told = system.get("/api/events?machine=old-machine&kind=machine.forgotten")["events"]
    assert len(told) == 1
