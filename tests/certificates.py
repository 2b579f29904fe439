"""Real certificates of an authority of the test's own, in files, and what a client is shown by a server."""

from __future__ import annotations

import datetime
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme

HUB = "127.0.0.1"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path

    def settings(self, prefix: str) -> dict[str, str]:
        return {f"{prefix}TLS_CERTIFICATE": str(self.certificate), f"{prefix}TLS_KEY": str(self.key)}

    def replace_by(self, other: Pair) -> None:
        """What a renewal does."""
        for mine, theirs in ((self.certificate, other.certificate), (self.key, other.key)):
            mine.write_bytes(theirs.read_bytes())

    @property
    def der(self) -> bytes:
        text = self.certificate.read_text()
        end = "-----END CERTIFICATE-----"
        return ssl.PEM_cert_to_DER_cert(text[: text.index(end) + len(end)])


class Authority:
    """Signs certificates, which lie in a directory."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self._authority = trustme.CA()
        self._directory = directory / name
        self._directory.mkdir()
        self.file = self._directory / "ca.pem"
        self._authority.cert_pem.write_to_path(self.file)

    def issue(self, file: str, *names: str, common_name: str | None = None, days: float = 365) -> Pair:
        """One for names and addresses, which ends in so many days."""
        now = datetime.datetime.now(datetime.UTC)
        ends = now + datetime.timedelta(days=days)
        one = self._authority.issue_cert(
            *names,
            common_name=common_name,
            not_before=min(now, ends) - datetime.timedelta(days=1),
            not_after=ends,
        )
        pair = Pair(self._directory / f"{file}.pem", self._directory / f"{file}.key")
        pair.certificate.write_bytes(b"".join(part.bytes() for part in one.cert_chain_pems))
        one.private_key_pem.write_to_path(pair.key)
        return pair

    def client(self, shows: Pair | None = None) -> ssl.SSLContext:
        """Trusts what this has signed."""
        context = ssl.create_default_context(cafile=str(self.file))
        if shows:
            context.load_cert_chain(shows.certificate, shows.key)
        return context


def shown(address: tuple[str, int]) -> bytes:
    """The certificate that is shown there to who connects now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(address, 30) as sock, context.wrap_socket(sock) as tls:
        der = tls.getpeercert(binary_form=True)
    assert der
    return der
