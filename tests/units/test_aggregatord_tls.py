"""sysmon-aggregatord with certificates: TLS for what comes by TCP, collectors that must show theirs, and reloads."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest

from sysmon.v1 import ingest_pb2 as pb
from sysmon.v1 import ingest_pb2_grpc as rpc
from sysmonstm.wire import layout_to_wire
from tests.aggregatord.ingest_hub import greeted, heard, say, send, settles, welcomed, write
from tests.aggregatord.samples import frame, hello, layout, now_us
from tests.certificates import HUB, Authority, Pair, shown
from tests.units.conftest import StartsAggregatord
from tests.units.played_systemd import PlayedSystemd, Unit, played, tcp_socket, unix_socket

README = Path(__file__).parents[2] / "README.md"
ALONE = [("grpc.use_local_subchannel_pool", 1)]


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def hub(ca: Authority) -> Pair:
    return ca.issue("hub", HUB)


def address(systemd: PlayedSystemd) -> tuple[str, int]:
    tcp = next(one for one in systemd.unit.sockets["ingest"] if one.family == socket.AF_INET)
    return HUB, int(tcp.getsockname()[1])


@asynccontextmanager
async def by_tls(systemd: PlayedSystemd, trusts: Authority, shows: Pair | None = None) -> AsyncIterator[rpc.IngestStub]:
    own = (shows.key.read_bytes(), shows.certificate.read_bytes()) if shows else (None, None)
    credentials = grpc.ssl_channel_credentials(trusts.file.read_bytes(), *own)
    host, port = address(systemd)
    async with grpc.aio.secure_channel(f"{host}:{port}", credentials, options=ALONE) as channel:
        yield rpc.IngestStub(channel)


async def refusal(stub: rpc.IngestStub, machine: str = "web1") -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await greeted(stub, machine)
    return raised.value


async def test_samples_come_by_tls_over_tcp_and_plain_over_the_unix_socket(
    aggregatord: StartsAggregatord, ca: Authority, hub: Pair, tmp_path: Path
) -> None:
    path = tmp_path / "aggregatord.sock"
    sockets = {"ingest": [tcp_socket(), unix_socket(path)]}
    systemd = aggregatord(sockets=sockets, settings=hub.settings("AGGREGATOR_"))
    async with (
        by_tls(systemd, ca) as far,
        grpc.aio.insecure_channel(f"unix:{path}", options=ALONE) as channel,
    ):
        for machine, stub in (("web1", far), ("hub", rpc.IngestStub(channel))):
            call = await welcomed(stub, machine)
            await say(call, layout=layout_to_wire(layout()))
            await send(call, frame(1, time_us=now_us()))
            await heard(call, settles(1))
    async with grpc.aio.insecure_channel("{}:{}".format(*address(systemd)), options=ALONE) as channel:
        assert (await refusal(rpc.IngestStub(channel))).code() is grpc.StatusCode.UNAVAILABLE
    peers = {str(one["fields"]["peer"]).split(":")[0] for one in systemd.events("machine.connected")}  # type: ignore[index]
    assert peers == {"127.0.0.1", "unix"}
    assert systemd.stop() == 0


async def test_who_comes_by_tcp_must_show_a_certificate_for_the_machine(
    aggregatord: StartsAggregatord, ca: Authority, hub: Pair, tmp_path: Path
) -> None:
    settings = {**hub.settings("AGGREGATOR_"), "AGGREGATOR_TLS_CLIENT_CA": str(ca.file)}
    path = tmp_path / "aggregatord.sock"
    systemd = aggregatord(sockets={"ingest": [tcp_socket(), unix_socket(path)]}, settings=settings)
    own = ca.issue("web1", "web1.example.org", common_name="web1")
    async with by_tls(systemd, ca, own) as stub:
        await welcomed(stub, "web1")
        await welcomed(stub, "web1.example.org")
        other = await refusal(stub, "web2")
        assert other.code() is grpc.StatusCode.PERMISSION_DENIED
        assert other.details() == ("the certificate of this collector is for web1, web1.example.org, and not for web2")
        with pytest.raises(grpc.aio.AioRpcError, match="PERMISSION_DENIED"):
            await _shows_live(stub, "web2")
    stranger = Authority(tmp_path, "stranger").issue("web1", "web1")
    for wrong in (None, stranger):
        async with by_tls(systemd, ca, wrong) as stub:
            assert (await refusal(stub)).code() is grpc.StatusCode.UNAVAILABLE
    # Whoever may use the unix socket is of this machine, and needs none.
    async with grpc.aio.insecure_channel(f"unix:{path}", options=ALONE) as channel:
        await welcomed(rpc.IngestStub(channel), "hub")
    assert len(systemd.events("collector.refused")) == 2


async def _shows_live(stub: rpc.IngestStub, machine: str) -> None:
    call = stub.Live()
    await write(call, pb.LiveMessage(hello=hello(machine)))
    await call.done_writing()
    await call


async def test_a_reload_exchanges_the_certificate_and_leaves_streams_open(
    aggregatord: StartsAggregatord, ca: Authority, hub: Pair, tmp_path: Path
) -> None:
    authorities = tmp_path / "clients.pem"
    authorities.write_bytes(ca.file.read_bytes())
    settings = {**hub.settings("AGGREGATOR_"), "AGGREGATOR_TLS_CLIENT_CA": str(authorities)}
    systemd = aggregatord(settings=settings)
    before = hub.der
    assert shown(address(systemd)) == before
    own, newcomer = ca.issue("web1", "web1"), Authority(tmp_path, "new")
    async with by_tls(systemd, ca, own) as stub:
        call = await welcomed(stub)
        await say(call, layout=layout_to_wire(layout()))
        hub.replace_by(ca.issue("renewed", HUB, days=5))
        assert shown(address(systemd)) == before, "nothing is read before it is asked for"
        authorities.write_bytes(newcomer.file.read_bytes())
        await asyncio.to_thread(systemd.reload)
        assert shown(address(systemd)) == hub.der != before
        # The stream is the one of before, also for new calls on the connection; new connections are of the new day.
        await send(call, frame(1, time_us=now_us()))
        await heard(call, settles(1))
        async with by_tls(systemd, ca, own) as late:
            assert (await refusal(late)).code() is grpc.StatusCode.UNAVAILABLE
        async with by_tls(systemd, ca, newcomer.issue("web2", "web2")) as new:
            await welcomed(new, "web2")
    assert systemd.events("reload.refused") == []
    # Of that which ends in five days.
    assert len(systemd.events("certificate.expires")) == 1
    assert "BEGIN" not in systemd.log()


async def test_a_bad_certificate_is_refused_by_a_reload_and_the_old_one_stays(
    aggregatord: StartsAggregatord, ca: Authority, hub: Pair
) -> None:
    systemd = aggregatord(settings=hub.settings("AGGREGATOR_"))
    before, key = hub.der, hub.key.read_bytes()
    hub.key.write_bytes(ca.issue("other", HUB).key.read_bytes())
    said = await asyncio.to_thread(systemd.reload)
    assert "AGGREGATOR_TLS_KEY: the key in" in said.fields["STATUS"]
    hub.key.unlink()
    await asyncio.to_thread(systemd.reload)
    assert len(systemd.events("reload.refused")) == 2
    assert shown(address(systemd)) == before
    async with by_tls(systemd, ca) as stub:
        await welcomed(stub)
    hub.key.write_bytes(key)
    # Its status counts what it refused of collectors in the same words.
    assert "AGGREGATOR_TLS_KEY" not in (await asyncio.to_thread(systemd.reload)).fields["STATUS"]
    assert len(systemd.events("reload.refused")) == 2


@pytest.mark.parametrize(("mutual", "warned"), [(False, ["with TLS, but without"]), (True, [])])
def test_a_public_address_is_warned_of_as_it_is_guarded(
    aggregatord: StartsAggregatord, ca: Authority, hub: Pair, mutual: bool, warned: list[str]
) -> None:
    settings = hub.settings("AGGREGATOR_") | ({"AGGREGATOR_TLS_CLIENT_CA": str(ca.file)} if mutual else {})
    systemd = aggregatord(sockets={"ingest": [socket.create_server(("0.0.0.0", 0))]}, settings=settings)
    said = [str(one["message"]) for one in systemd.events("listen.public")]
    assert [words in one for words, one in zip(warned, said, strict=True)] == [True] * len(warned)


def test_a_bad_certificate_at_the_start_is_one_line(aggregatord: StartsAggregatord, hub: Pair) -> None:
    hub.key.write_text("nonsense")
    systemd = aggregatord(ready=False, settings=hub.settings("AGGREGATOR_"))
    systemd.start()
    assert systemd.ends() == 1
    assert "AGGREGATOR_TLS_KEY" in systemd.log()
    assert "Traceback" not in systemd.log()


async def test_certificates_come_as_credentials_where_no_path_is_set(
    aggregatord: StartsAggregatord, ca: Authority, hub: Pair, tmp_path: Path
) -> None:
    directory = tmp_path / "credentials"
    directory.mkdir()
    (directory / "aggregator_tls_certificate").write_bytes(hub.certificate.read_bytes())
    (directory / "aggregator_tls_key").write_bytes(hub.key.read_bytes())
    # As SetCredential= leaves it.
    (directory / "aggregator_tls_client_ca").write_text("\n")
    systemd = aggregatord(settings={"CREDENTIALS_DIRECTORY": str(directory)})
    async with by_tls(systemd, ca) as stub:
        await welcomed(stub)
    assert shown(address(systemd)) == hub.der


async def test_the_certificates_that_the_readme_makes_serve(aggregatord: StartsAggregatord, tmp_path: Path) -> None:
    start = "<!-- certificates: checked by tests/units/test_aggregatord_tls.py -->\n```sh\n"
    commands = README.read_text().split(start)[1].split("```")[0].replace("192.0.2.7", HUB)
    subprocess.run(["sh", "-euc", commands], cwd=tmp_path, check=True, capture_output=True, timeout=60)
    hub, web1 = (Pair(tmp_path / f"{name}.pem", tmp_path / f"{name}.key") for name in ("hub", "web1"))
    settings = {**hub.settings("AGGREGATOR_"), "AGGREGATOR_TLS_CLIENT_CA": str(tmp_path / "ca.pem")}
    systemd = aggregatord(settings=settings)
    collector = {
        "COLLECTOR_AGGREGATOR_URL": "{}:{}".format(*address(systemd)),
        "COLLECTOR_TLS_CA": str(tmp_path / "ca.pem"),
        **web1.settings("COLLECTOR_"),
        "COLLECTOR_MACHINE_ID": "web1",
        "COLLECTOR_SPOOL_DIRECTORY": str(tmp_path / "spool"),
    }
    with played(tmp_path, Unit("collectord", collector)) as sending:
        sending.logs("uplink.connected")
        # Nobody is disturbed by a reload that changes nothing.
        assert await asyncio.to_thread(sending.reload)
        assert len(sending.events("uplink.connected")) == 1
        # One that is renewed is shown at once.
        authority = [f"-CA{kind} {tmp_path}/ca.{end}" for kind, end in (("", "pem"), ("key", "key"))]
        renewed = (
            f"openssl req -new -key web1.key -subj /CN=web1 | openssl x509 -req {' '.join(authority)} -out web1.pem"
        )
        subprocess.run(["sh", "-euc", renewed], cwd=tmp_path, check=True, capture_output=True, timeout=60)
        assert await asyncio.to_thread(sending.reload)
        sending.logs("uplink.connected", 2)
        # A certificate that does not fit is refused, and the connection stays.
        web1.key.write_bytes(hub.key.read_bytes())
        assert "COLLECTOR_TLS_KEY" in sending.reload().fields["STATUS"]
        assert len(sending.events("uplink.connected")) == 2
    assert systemd.events("collector.refused") == []
