"""`sysmonctl doctor` and a hub that speaks TLS."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import grpc
import pytest

from sysmonstm.ctl.doctor import hub
from sysmonstm.ctl.doctor.finding import Finding, Verdict
from sysmonstm.ctl.doctor.hub import Reached
from sysmonstm.ctl.doctor.place import Daemon, Place
from tests.certificates import HUB, Authority


@pytest.mark.parametrize("mutual", [False, True])
async def test_a_hub_is_met_by_tls_as_the_collector_meets_it(tmp_path: Path, mutual: bool) -> None:
    ca, stranger = Authority(tmp_path), Authority(tmp_path, "stranger")
    pair, own = ca.issue("hub", HUB), ca.issue("web1", "web1")
    credentials = grpc.ssl_server_credentials(
        [(pair.key.read_bytes(), pair.certificate.read_bytes())], ca.file.read_bytes() if mutual else None, mutual
    )
    server = grpc.aio.server()
    address = f"{HUB}:{server.add_secure_port(f'{HUB}:0', credentials)}"
    await server.start()
    told = {"COLLECTOR_AGGREGATOR_URL": address, "COLLECTOR_TLS_CA": str(ca.file)}
    shows = {"COLLECTOR_TLS_CERTIFICATE": str(own.certificate), "COLLECTOR_TLS_KEY": str(own.key)}

    async def said(**environ: str) -> list[Finding]:
        place = Place((Daemon("collectord", 1, environ),), "", state=tmp_path)
        return await asyncio.to_thread(hub.check, place)

    (found,) = await said(**told, **shows)
    assert found.verdict is Verdict.OK, found
    (found,) = await said(**told)
    assert found.verdict is (Verdict.FAIL if mutual else Verdict.OK)
    (found,) = await said(**told | {"COLLECTOR_TLS_CA": str(stranger.file)})
    assert "shows a certificate that is not trusted here" in found.sentence
    (found,) = await said(COLLECTOR_AGGREGATOR_URL=address, COLLECTOR_TLS_CA="")
    assert "it speaks TLS only" in found.sentence
    await server.stop(None)


async def test_a_hub_that_hangs_is_told_from_one_that_cannot_be_reached(tmp_path: Path) -> None:
    context = Authority(tmp_path).client()
    with socket.create_server((HUB, 0)) as listener:
        address = f"{HUB}:{listener.getsockname()[1]}"
        assert await asyncio.to_thread(hub.reach, address, context) is Reached.SILENT
