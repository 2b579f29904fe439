"""A webhook, and what starts alertds, for tests of the whole daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.alertd.alertd_process import Receiver, Starter


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook/verysecret", receiver.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/verysecret"
    yield receiver
    await runner.cleanup()


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Starter]:
    starter = Starter(tmp_path)
    yield starter
    for alertd in starter.started:
        await alertd.stop()
        assert "Traceback" not in alertd.log_file.read_text(), alertd.log_file.read_text()
