"""An uplink that speaks TLS: to hubs it trusts, with what it shows them, and why it says it cannot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm.collectord.settings import CollectorSettings
from sysmonstm.collectord.spool.outbox import Outbox
from sysmonstm.collectord.trust import Trust, in_plain_words
from sysmonstm.config import UserError
from sysmonstm.entries import FIELDS
from tests.certificates import HUB, Authority, Pair
from tests.collectord.scripted_hub import ScriptedHub, free_address, serving, take_all
from tests.collectord.uplinked import HELLO, outbox_in, uplinked
from tests.shared.real_server import until


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def outbox(tmp_path: Path) -> AsyncIterator[Outbox]:
    async with outbox_in(tmp_path / "spool") as outbox:
        yield outbox


@asynccontextmanager
async def serving_by_tls(
    hub: ScriptedHub, pair: Pair, clients: Authority | None = None, port: int = 0
) -> AsyncIterator[str]:
    credentials = grpc.ssl_server_credentials(
        [(pair.key.read_bytes(), pair.certificate.read_bytes())],
        clients.file.read_bytes() if clients else None,
        clients is not None,
    )
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    rpc.add_IngestServicer_to_server(hub, server)
    bound = server.add_secure_port(f"{HUB}:{port}", credentials)
    await server.start()
    try:
        yield f"{HUB}:{bound}"
    finally:
        await server.stop(None)


def trust(ca: Authority, shows: Pair | None = None) -> Trust:
    told = CollectorSettings(
        tls_ca=ca.file, tls_certificate=shows.certificate if shows else None, tls_key=shows.key if shows else None
    )
    told.check()
    found = told.trust()
    assert found
    return found


async def test_samples_go_by_tls_and_show_a_certificate_where_it_is_asked_for(outbox: Outbox, ca: Authority) -> None:
    hub = ScriptedHub(take_all)
    shows = trust(ca, ca.issue("web1", "web1"))
    async with (
        serving_by_tls(hub, ca.issue("hub", HUB), ca) as address,
        uplinked(outbox, address, trust=shows) as collector,
    ):
        await collector.offer(3)
        await collector.drained()
    assert hub.seqs == [1, 2, 3]


async def test_a_unix_socket_stays_plain(outbox: Outbox, ca: Authority, tmp_path: Path) -> None:
    hub = ScriptedHub(take_all)
    server = grpc.aio.server()
    rpc.add_IngestServicer_to_server(hub, server)
    server.add_insecure_port(f"unix:{tmp_path}/hub.sock")
    await server.start()
    async with uplinked(outbox, f"unix:{tmp_path}/hub.sock", trust=trust(ca)) as collector:
        await collector.offer()
        await collector.drained()
    await server.stop(None)


def _reasons(caplog: pytest.LogCaptureFixture) -> str:
    return " ".join(str(record.__dict__[FIELDS]["reason"]) for record in caplog.records)


async def away(outbox: Outbox, address: str, trust: Trust | None, caplog: pytest.LogCaptureFixture) -> str:
    """Why the uplink says that it is away."""
    caplog.clear()
    caplog.set_level(logging.WARNING)
    async with uplinked(outbox, address, trust=trust) as collector:
        await collector.offer()
        await until("it says why", lambda: bool(caplog.records))
    fields = caplog.records[0].__dict__[FIELDS]
    return str(fields["reason"])


async def test_why_a_hub_is_not_trusted_is_said_in_plain_words(
    outbox: Outbox, ca: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stranger = Authority(tmp_path, "stranger")
    for pair, said in (
        (stranger.issue("hub", HUB), "its certificate is not signed by an authority in COLLECTOR_TLS_CA ("),
        (ca.issue("elsewhere", "hub.example.org"), "its certificate is for another name than this address ("),
        (ca.issue("old", HUB, days=-2), "its certificate has expired ("),
    ):
        async with serving_by_tls(ScriptedHub(take_all), pair) as address:
            assert (await away(outbox, address, trust(ca), caplog)).startswith(said)


async def test_why_a_hub_does_not_take_it_is_guessed(
    outbox: Outbox, ca: Authority, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving_by_tls(ScriptedHub(take_all), ca.issue("hub", HUB), ca) as address:
        stranger = Authority(tmp_path, "stranger").issue("web1", "web1")
        for shows, said in (
            (None, "does it want TLS?"),
            (trust(ca), "does it want a certificate?"),
            (trust(ca, stranger), "perhaps it does not take the certificate in COLLECTOR_TLS_CERTIFICATE"),
        ):
            assert said in await away(outbox, address, shows, caplog)
    async with serving(ScriptedHub(take_all)) as address:
        assert "it does not speak TLS" in await away(outbox, address, trust(ca), caplog)


def test_what_is_no_matter_of_tls_is_left_as_it_is(ca: Authority) -> None:
    assert in_plain_words("INTERNAL: x", "hub:1", None) == ""
    closed = "UNAVAILABLE: failed to connect to all addresses; last error: Socket closed"
    assert in_plain_words(closed, "unix:/run/x", trust(ca)) == ""


async def test_that_tls_is_in_the_way_is_said_also_of_a_hub_that_was_lost_before(
    outbox: Outbox, ca: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    pair, address = ca.issue("hub", HUB), free_address()
    port = int(address.rpartition(":")[2])
    async with uplinked(outbox, address) as collector:
        async with serving(ScriptedHub(take_all), port):
            await until("it is connected", lambda: collector.uplink.connected_to == address)
        await until("it is lost", lambda: not collector.uplink.connected_to)
        caplog.clear()
        async with serving_by_tls(ScriptedHub(take_all), pair, port=port):
            await until("it says why", lambda: "does it want TLS?" in _reasons(caplog))
            await asyncio.sleep(0.5)
    assert _reasons(caplog).count("does it want TLS?") == 1


async def test_another_trust_makes_the_connection_anew_and_the_same_does_not(outbox: Outbox, ca: Authority) -> None:
    hub = ScriptedHub(take_all)
    first, second = ca.issue("web1", "web1"), ca.issue("web1-renewed", "web1")
    async with (
        serving_by_tls(hub, ca.issue("hub", HUB), ca) as address,
        uplinked(outbox, address, trust=trust(ca, first)) as collector,
    ):
        await collector.offer()
        await collector.drained()
        collector.uplink.renew(HELLO, [address], trust(ca, first))
        await collector.offer()
        await collector.drained()
        assert len(hub.hellos) == 1
        collector.uplink.renew(HELLO, [address], trust(ca, second))
        await collector.offer()
        await collector.drained()
    assert len(hub.hellos) == 2


def test_what_the_settings_may_say(ca: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = ca.issue("web1", "web1")
    assert CollectorSettings().trust() is None
    with pytest.raises(UserError, match=r"^COLLECTOR_TLS_CERTIFICATE is for TLS, which COLLECTOR_TLS_CA switches on"):
        CollectorSettings(tls_certificate=pair.certificate, tls_key=pair.key).check()
    with pytest.raises(UserError, match=r"^COLLECTOR_TLS_CA: .* cannot be read"):
        CollectorSettings(tls_ca=tmp_path / "none").check()
    monkeypatch.setenv("SSL_CERT_FILE", str(ca.file))
    assert CollectorSettings(tls_ca=Path("system")).trust() == Trust(ca.file.read_bytes())
