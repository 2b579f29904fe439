"""Who may connect by TCP: the hub's certificate, the authorities of collectors', and for which machine each speaks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sysmonstm.certificates import Identity, read_authorities, read_served_identity
from sysmonstm.config import UserError
from sysmonstm.listen import Guard

PREFIX = "AGGREGATOR_"


class NotVouchedError(Exception):
    """A collector speaks for a machine that its certificate does not name. The sentence says so."""


class Paths(NamedTuple):
    """Where the settings say that the certificate, its key and the collectors' authorities are."""

    certificate: Path | None
    key: Path | None
    client_ca: Path | None


@dataclass(frozen=True, slots=True)
class Tls:
    """What is shown to collectors; with `authorities`, they must show a certificate of one of them."""

    identity: Identity
    authorities: bytes | None


def read_tls(paths: Paths) -> Tls | None:
    """What the settings point to, None if there is to be no TLS; UserError if it is not good."""
    identity = read_served_identity(paths.certificate, paths.key, PREFIX)
    if identity is None:
        if paths.client_ca:
            raise UserError(f"{PREFIX}TLS_CLIENT_CA needs {PREFIX}TLS_CERTIFICATE and {PREFIX}TLS_KEY")
        return None
    return Tls(identity, read_authorities(paths.client_ca, f"{PREFIX}TLS_CLIENT_CA") if paths.client_ca else None)


def guard_of(tls: Tls | None) -> Guard:
    """What keeps strangers from the TCP port."""
    if tls is None:
        return Guard.NONE
    return Guard.CERTIFICATES if tls.authorities else Guard.TLS


def check_vouched(machine: str, told: Mapping[str, Iterable[bytes]]) -> None:
    """NotVouchedError if a certificate was shown, and it is not for this machine.

    `told` is what gRPC says of a connection. It asks for no certificate unless it has authorities to check it by.
    """
    if "x509_pem_cert" not in told:
        return
    names = {name.decode(errors="replace") for key in ("peer_dns", "x509_common_name") for name in told.get(key, ())}
    if machine not in names:
        theirs = ", ".join(sorted(names)) or "no machine"
        raise NotVouchedError(f"the certificate of this collector is for {theirs}, and not for {machine}")
