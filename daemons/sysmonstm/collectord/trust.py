"""What a collector trusts hubs by, and what it shows them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from sysmonstm.certificates import Identity, read_authorities, read_identity
from sysmonstm.config import UserError

PREFIX = "COLLECTOR_"
# Addresses that begin so stay on this machine.
UNIX = "unix:"
SYSTEM = Path("system")
# Where Debian, Arch and NixOS keep the authorities of the system, Fedora, and openSUSE.
BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)

# What gRPC says of a handshake that fails, and what that means.
_MEANINGS = (
    ("certificate has expired", "its certificate has expired"),
    ("certificate is not yet valid", "its certificate is not valid yet; or this machine's clock is wrong"),
    ("Hostname Verification Check failed", "its certificate is for another name than this address"),
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is not signed by an authority in COLLECTOR_TLS_CA"),
    ("WRONG_VERSION_NUMBER", "it does not speak TLS, which COLLECTOR_TLS_CA asks for"),
)
_CLOSED = ("failed to connect", "Socket closed")


@dataclass(frozen=True, slots=True)
class Trust:
    """The authorities, in PEM, whose certificates a hub may show, and what is shown to hubs that ask."""

    authorities: bytes
    identity: Identity | None = None


def read_trust(authorities: Path | None, certificate: Path | None, key: Path | None) -> Trust | None:
    """What the files of these settings hold, None if there is to be no TLS; UserError if it is not good."""
    identity = read_identity(certificate, key, PREFIX)
    if authorities is None:
        if identity:
            raise UserError(f"{PREFIX}TLS_CERTIFICATE is for TLS, which {PREFIX}TLS_CA switches on")
        return None
    file = _system_bundle() if authorities == SYSTEM else authorities
    return Trust(read_authorities(file, f"{PREFIX}TLS_CA"), identity)


def _system_bundle() -> Path:
    # SSL_CERT_FILE comes first.
    for name in (ssl.get_default_verify_paths().cafile, *BUNDLES):
        if name and Path(name).is_file():
            return Path(name)
    raise UserError(f"{PREFIX}TLS_CA: the system has no file of authorities; SSL_CERT_FILE may name one")


def in_plain_words(details: str, address: str, trust: Trust | None) -> str:
    """Why a connection ended where TLS is the reason, from what gRPC says of it; empty if it is not."""
    if address.startswith(UNIX):
        return ""
    if meaning := next((meaning for sign, meaning in _MEANINGS if sign in details), ""):
        return meaning
    return _closed(trust) if all(sign in details for sign in _CLOSED) else ""


def _closed(trust: Trust | None) -> str:
    if trust is None:
        return "it closes the connection at once: does it want TLS? COLLECTOR_TLS_CA switches it on"
    if trust.identity is None:
        return "it closes the connection at once: does it want a certificate? COLLECTOR_TLS_CERTIFICATE names one"
    return "it closes the connection at once: perhaps it does not take the certificate in COLLECTOR_TLS_CERTIFICATE"
