"""sysmon-gatewayd with a certificate: https and WebSockets by TCP, plain by the unix socket, and reloads."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from aiohttp import ClientSession, WSMsgType

from sysmonstm.config import UserError
from sysmonstm.ctl import api
from sysmonstm.ctl.doctor import asking
from tests.certificates import HUB, Authority, shown
from tests.units.asked import ask
from tests.units.played_systemd import Unit, played, tcp_socket, unix_socket


class Https:
    """A gateway's sockets, and the authority that its certificate is from."""

    def __init__(self, directory: Path, redis_url: str, database_url: str) -> None:
        self.ca = Authority(directory)
        self.pair = self.ca.issue("gateway", HUB, "localhost")
        self.path = directory / "gatewayd.sock"
        tcp = tcp_socket()
        self.tcp = (HUB, int(tcp.getsockname()[1]))
        self.url = "https://{}:{}".format(*self.tcp)
        stores = {"REDIS_URL": redis_url, "TIMESCALE_URL": database_url}
        self.unit = Unit("gatewayd", stores, {"http": [tcp, unix_socket(self.path)]})

    def with_settings(self, settings: dict[str, str]) -> Unit:
        self.unit.settings = {**self.unit.settings, **settings}
        return self.unit


@pytest.fixture
def https(tmp_path: Path, redis_url: str, database_url: str) -> Https:
    return Https(tmp_path, redis_url, database_url)


async def test_browsers_come_by_https_and_a_proxy_by_the_unix_socket(https: Https, tmp_path: Path) -> None:
    with played(tmp_path, https.with_settings(https.pair.settings("GATEWAY_"))) as systemd:
        async with ClientSession() as session:
            trusts = https.ca.client()
            async with session.get(f"{https.url}/health", ssl=trusts) as answer:
                assert (answer.status, await answer.json()) == (200, {"status": "ok"})
                assert "Strict-Transport-Security" not in answer.headers
            origin = {"Origin": https.url}
            async with session.ws_connect(f"{https.url}/ws", ssl=trusts, headers=origin) as ws:
                assert (await ws.receive(timeout=30)).type is WSMsgType.TEXT
        assert await asyncio.to_thread(ask, https.path, "/health") == (200, {"status": "ok"})
        assert await asyncio.to_thread(systemd.stop) == 0


async def test_a_reload_exchanges_the_certificate_and_leaves_websockets_open(https: Https, tmp_path: Path) -> None:
    with played(tmp_path, https.with_settings(https.pair.settings("GATEWAY_"))) as systemd:
        before = https.pair.der
        async with (
            ClientSession() as session,
            session.ws_connect(f"{https.url}/ws", ssl=https.ca.client()) as ws,
        ):
            https.pair.replace_by(https.ca.issue("renewed", HUB, days=3))
            assert await asyncio.to_thread(shown, https.tcp) == before
            await asyncio.to_thread(systemd.reload)
            assert await asyncio.to_thread(shown, https.tcp) == https.pair.der != before
            await ws.send_json({"type": "subscribe", "machines": None})
            assert (await ws.receive(timeout=30)).type is WSMsgType.TEXT
        assert len(systemd.events("certificate.expires")) == 1


def test_a_bad_certificate_is_refused_by_a_reload_and_at_the_start(https: Https, tmp_path: Path) -> None:
    with played(tmp_path, https.with_settings(https.pair.settings("GATEWAY_"))) as systemd:
        before = https.pair.der
        https.pair.certificate.write_bytes(https.ca.issue("other", HUB).certificate.read_bytes())
        assert "GATEWAY_TLS_KEY" in systemd.reload().fields["STATUS"]
        assert shown(https.tcp) == before
        systemd.stop()
        systemd.start()
        assert systemd.ends() == 1
        assert "GATEWAY_TLS_KEY" in systemd.log()
        assert "Traceback" not in systemd.log()


def test_a_certificate_comes_as_a_credential_where_no_path_is_set(https: Https, tmp_path: Path) -> None:
    directory = tmp_path / "credentials"
    directory.mkdir()
    (directory / "gateway_tls_certificate").write_bytes(https.pair.certificate.read_bytes())
    (directory / "gateway_tls_key").write_bytes(https.pair.key.read_bytes())
    with played(tmp_path, https.with_settings({"CREDENTIALS_DIRECTORY": str(directory)})):
        assert shown(https.tcp) == https.pair.der


def test_a_public_address_is_warned_of_as_it_is_guarded(https: Https, tmp_path: Path) -> None:
    https.unit.sockets = {"http": [socket.create_server(("0.0.0.0", 0))]}
    with played(tmp_path, https.with_settings(https.pair.settings("GATEWAY_"))) as systemd:
        (warned,) = systemd.events("listen.public")
        assert "with TLS, but without a password" in str(warned["message"])


def test_whoever_does_not_speak_tls_holds_up_nobody(https: Https, tmp_path: Path) -> None:
    with played(tmp_path, https.with_settings(https.pair.settings("GATEWAY_"))) as systemd:
        with socket.create_connection(https.tcp), socket.create_connection(https.tcp) as other:
            other.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert shown(https.tcp) == https.pair.der
        assert systemd.stop() == 0
        assert "Traceback" not in systemd.log()


def test_sysmonctl_asks_by_https_and_says_what_is_wrong(
    https: Https, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with played(tmp_path, https.with_settings(https.pair.settings("GATEWAY_"))):
        with pytest.raises(UserError, match=r"its certificate is not trusted: .*; SSL_CERT_FILE names the file"):
            api.get(https.url, "/health")
        with pytest.raises(UserError, match="does it want https://"):
            api.get(https.url.replace("https", "http"), "/health")
        # What doctor asks on its own machine needs no trust.
        assert asking.answer(f"{https.url}/health") == {"status": "ok"}
        monkeypatch.setenv("SSL_CERT_FILE", str(https.ca.file))
        assert api.get(https.url, "/health") == b'{"status": "ok"}'
