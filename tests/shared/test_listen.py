from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.config import UserError
from sysmonstm.listen import Address, bind, describe, is_public, listeners, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", Address("127.0.0.1", 8000)),
        ("hub:0", Address("hub", 0)),
        ("[::1]:65535", Address("::1", 65535)),
    ],
)
def test_an_address_is_parsed_and_written_the_same(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "8000", ":8000", "hub:", "hub:http", "hub:65536", "hub:-1", "hub:٣", "::1:8000", "[]:1", "[::1]"]
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r":8000"):
        parse_address(text)


@given(st.text())
def test_no_text_makes_the_parser_fail_otherwise(text: str) -> None:
    try:
        address = parse_address(text)
    except ValueError:
        return
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("host", "public"),
    [("127.0.0.1", False), ("127.9.9.9", False), ("::1", False), ("localhost", False), ("0.0.0.0", True), ("::", True)],
)
def test_only_loopback_is_not_public(host: str, public: bool) -> None:
    with bind(Address(host, 0), "X_LISTEN") as sock:
        assert is_public(sock) is public


def test_a_unix_socket_is_not_public(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "socket"))
        assert not is_public(sock)
        assert describe(sock) == f"unix:{tmp_path / 'socket'}"


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_a_public_address_is_warned_of_each_time(host: str, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    (sock,) = listeners(f"{host}:0", "X_LISTEN")
    with sock:
        assert ["without TLS" in record.message for record in caplog.records if record.levelname == "WARNING"] == (
            [True] if warned else []
        )


def test_a_bound_socket_listens_and_does_not_block() -> None:
    with bind(Address("127.0.0.1", 0), "X_LISTEN") as sock:
        assert not sock.getblocking()
        with socket.create_connection(sock.getsockname()):
            pass


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70, "203.0.113.1"])
def test_a_host_that_cannot_be_had_is_one_line_that_names_the_setting(host: str) -> None:
    with pytest.raises(UserError, match=r"^X_LISTEN: cannot listen on .*; set X_LISTEN to another address$"):
        bind(Address(host, 1), "X_LISTEN")


def test_a_port_that_is_taken_is_said_to_be() -> None:
    with bind(Address("127.0.0.1", 0), "X_LISTEN") as sock:
        port = sock.getsockname()[1]
        with pytest.raises(UserError, match="something else listens there already"):
            bind(Address("127.0.0.1", port), "X_LISTEN")
