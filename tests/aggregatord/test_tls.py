"""For which machine a collector may speak, by its certificate; and what the settings may say of certificates."""

from __future__ import annotations

from pathlib import Path

import pytest

from sysmonstm.aggregatord.settings import AggregatorSettings
from sysmonstm.aggregatord.tls import NotVouchedError, check_vouched, guard_of, read_tls
from sysmonstm.config import UserError
from sysmonstm.listen import Guard
from tests.certificates import HUB, Authority


def told(common_name: str = "", *dns: str) -> dict[str, list[bytes]]:
    """What gRPC says of a connection on which a certificate was shown."""
    names = {"peer_dns": [one.encode() for one in dns]} if dns else {}
    return {"x509_pem_cert": [b"-----BEGIN CERTIFICATE-----"], "x509_common_name": [common_name.encode()], **names}


@pytest.mark.parametrize("shown", [told("web1"), told("", "web1"), told("x", "web0", "web1"), {}])
def test_who_may_speak_for_web1(shown: dict[str, list[bytes]]) -> None:
    check_vouched("web1", shown)


@pytest.mark.parametrize(
    "shown",
    [told("web2"), told("", "web2"), told("", "*"), told("WEB1"), told("web1.example.org"), told(), told("web1 ")],
)
def test_who_may_not(shown: dict[str, list[bytes]]) -> None:
    with pytest.raises(NotVouchedError, match=r"the certificate of this collector is for .*, and not for web1"):
        check_vouched("web1", shown)


def test_what_keeps_strangers_away(tmp_path: Path) -> None:
    ca = Authority(tmp_path)
    pair = ca.issue("hub", HUB)
    plain = AggregatorSettings()
    tls = AggregatorSettings(tls_certificate=pair.certificate, tls_key=pair.key)
    mutual = AggregatorSettings(tls_certificate=pair.certificate, tls_key=pair.key, tls_client_ca=ca.file)
    assert [guard_of(read_tls(one.tls)) for one in (plain, tls, mutual)] == [Guard.NONE, Guard.TLS, Guard.CERTIFICATES]
    for one in (plain, tls, mutual):
        one.check()
    with pytest.raises(UserError, match=r"^AGGREGATOR_TLS_CLIENT_CA needs AGGREGATOR_TLS_CERTIFICATE and"):
        AggregatorSettings(tls_client_ca=ca.file).check()
    with pytest.raises(UserError, match=r"^AGGREGATOR_TLS_KEY must be set too"):
        AggregatorSettings(tls_certificate=pair.certificate).check()
