from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysmonstm.config import UserError
from sysmonstm.listen import (
    LONGEST_PATH_BYTES,
    Address,
    Guard,
    bind,
    bind_path,
    datagram,
    describe,
    is_public,
    listeners,
    parse_address,
    parse_place,
)


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
    (sock,) = listeners("x", f"{host}:0", "X_LISTEN")
    with sock:
        assert ["without TLS" in record.message for record in caplog.records if record.levelname == "WARNING"] == (
            [True] if warned else []
        )


@pytest.mark.parametrize(
    ("guard", "said"), [(Guard.TLS, ["with TLS, but without a password"]), (Guard.CERTIFICATES, [])]
)
def test_what_is_said_of_a_public_address_is_true_of_its_guard(
    guard: Guard, said: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    (sock,) = listeners("x", "0.0.0.0:0", "X_LISTEN", guard)
    with sock:
        warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
        assert len(warnings) == len(said)
        assert all(words in warning for words, warning in zip(said, warnings, strict=True))


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


@pytest.mark.parametrize(
    ("text", "place"), [("unix:/run/x.sock", Path("/run/x.sock")), ("127.0.0.1:8000", Address("127.0.0.1", 8000))]
)
def test_a_place_is_an_address_or_a_path(text: str, place: Address | Path) -> None:
    assert parse_place(text) == place


@pytest.mark.parametrize(
    "text", ["unix:", "unix:x", "unix:/", "unix:/x/", "unix:/a\nb", "unix:/" + "x" * LONGEST_PATH_BYTES, "/run/x"]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"unix socket|host:port"):
        parse_place(text)


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o000])
def test_a_unix_socket_is_for_its_account_and_group_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        (sock,) = listeners("x", f"unix:{tmp_path / 's'}", "X_LISTEN")
    finally:
        os.umask(before)
    with sock:
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o660
        assert not sock.getblocking()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "s"))


def test_a_datagram_socket_takes_from_everybody(tmp_path: Path) -> None:
    sock = datagram("metrics", tmp_path / "s", "X_SOCKET")
    assert sock
    with sock, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o666
        client.sendto(b"x:1|c", str(tmp_path / "s"))
        assert sock.recv(100) == b"x:1|c"


def test_without_a_path_or_an_address_there_is_no_socket() -> None:
    assert datagram("metrics", None, "X_SOCKET") is None
    assert listeners("control", None, "X_CONTROL") == []


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_that_nobody_listens_on_any_more_makes_room(tmp_path: Path, kind: socket.SocketKind) -> None:
    for _ in range(2):
        bind_path(tmp_path / "s", kind, 0o660, "X_LISTEN").close()
    assert (tmp_path / "s").exists()


@pytest.mark.parametrize("other", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_one_that_is_in_use_does_not(tmp_path: Path, kind: socket.SocketKind, other: socket.SocketKind) -> None:
    with bind_path(tmp_path / "s", other, 0o660, "X_LISTEN"):
        with pytest.raises(UserError, match=r"^X_LISTEN: cannot listen on unix:.*: something else listens there"):
            bind_path(tmp_path / "s", kind, 0o660, "X_LISTEN")
        assert (tmp_path / "s").exists()


def test_a_file_or_a_link_that_is_in_the_way_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("file", "link"):
        with pytest.raises(UserError, match="there is a file that is no socket"):
            bind_path(tmp_path / name, socket.SOCK_STREAM, 0o660, "X_LISTEN")
    assert (tmp_path / "link").read_text() == "precious"


def test_a_path_that_cannot_be_had_is_one_line(tmp_path: Path) -> None:
    for path in (tmp_path / "no" / "s", tmp_path / ("x" * 120)):
        with pytest.raises(UserError, match=r"^X_LISTEN: cannot listen on [^\n]*; set X_LISTEN to another path$"):
            bind_path(path, socket.SOCK_STREAM, 0o660, "X_LISTEN")
