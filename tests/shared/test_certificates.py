"""Certificates and keys in files: what is good, what is refused and in which words, and when one is warned of."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from sysmonstm.certificates import (
    DAY_SECONDS,
    Identity,
    read_authorities,
    read_identity,
    read_served_identity,
    warn_if_ending,
)
from sysmonstm.config import UserError
from tests.certificates import HUB, Authority


@pytest.fixture
def ca(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize("days", [300, 3, -3])
def test_it_is_known_when_a_certificate_ends(ca: Authority, days: int) -> None:
    pair = ca.issue("hub", HUB, days=days)
    identity = read_served_identity(pair.certificate, pair.key, "X_")
    assert identity
    assert identity.ends == pytest.approx(time.time() + days * DAY_SECONDS, abs=600)
    assert identity.chain == pair.certificate.read_bytes()


def test_none_is_none() -> None:
    assert read_identity(None, None, "X_") is None
    assert read_served_identity(None, None, "X_") is None


def test_a_certificate_and_its_key_go_together(ca: Authority) -> None:
    pair = ca.issue("hub", HUB)
    with pytest.raises(UserError, match=r"^X_TLS_KEY must be set too"):
        read_identity(pair.certificate, None, "X_")
    with pytest.raises(UserError, match=r"^X_TLS_CERTIFICATE must be set too"):
        read_identity(None, pair.key, "X_")


def test_what_is_not_good_is_one_sentence(ca: Authority, tmp_path: Path) -> None:
    pair, other = ca.issue("hub", HUB), ca.issue("other", HUB)
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate — at all\n")
    for certificate, key, said in (
        (pair.certificate, other.key, "^X_TLS_KEY: the key in .*other.key is another's"),
        (pair.certificate, nonsense, "^X_TLS_KEY: the key in .*nonsense.pem cannot be used"),
        (nonsense, pair.key, "^X_TLS_CERTIFICATE: .*nonsense.pem holds no certificate in PEM"),
        (tmp_path / "none", pair.key, "^X_TLS_CERTIFICATE: .*none cannot be read: No such file"),
        (pair.certificate, tmp_path, "^X_TLS_KEY: .* cannot be read: Is a directory"),
    ):
        with pytest.raises(UserError, match=said) as raised:
            read_identity(certificate, key, "X_")
        assert "\n" not in str(raised.value)
    with pytest.raises(UserError, match=r"^X_TLS_CA: .*nonsense.pem holds no certificate"):
        read_authorities(nonsense, "X_TLS_CA")
    assert read_authorities(ca.file, "X_TLS_CA") == ca.file.read_bytes()


def test_nobody_is_asked_for_the_password_of_a_key(ca: Authority, tmp_path: Path) -> None:
    pair, locked = ca.issue("hub", HUB), tmp_path / "locked.key"
    command = ["openssl", "pkey", "-in", str(pair.key), "-aes256", "-passout", "pass:x", "-out", str(locked)]
    subprocess.run(command, check=True, timeout=30)
    with pytest.raises(UserError, match=r"^X_TLS_KEY: the key in .*locked.key is encrypted"):
        read_identity(pair.certificate, locked, "X_")


def test_a_key_and_its_certificate_may_lie_in_one_file(ca: Authority, tmp_path: Path) -> None:
    pair, both = ca.issue("hub", HUB), tmp_path / "both.pem"
    both.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    assert read_served_identity(both, both, "X_")


@pytest.mark.parametrize(("days", "said"), [(15.0, None), (13.5, "ends at"), (-1.0, "has ended at")])
def test_who_serves_a_certificate_that_ends_is_warned(
    days: float, said: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    now = 1.8e9
    warn_if_ending(Identity("X_TLS_CERTIFICATE", b"", b"", now + days * DAY_SECONDS), now)
    messages = [record.message for record in caplog.records]
    assert len(messages) == (1 if said else 0)
    assert all(said and said in message for message in messages)
