"""The certificates of gRPC's port for TLS, which can be exchanged while it serves."""

from __future__ import annotations

import secrets

import grpc

from sysmonstm.aggregatord.tls import Tls
from sysmonstm.config import UserError


class Credentials:
    """What one port of gRPC shows and asks for. Connections that there are outlive an exchange."""

    def __init__(self, tls: Tls) -> None:
        self.tls = tls
        self._served = self._wanted = _configuration(tls)
        self.server = grpc.dynamic_ssl_server_credentials(self._served, self._newer, _asks(tls))  # type: ignore[arg-type]  # None is fine

    def exchange(self, tls: Tls) -> None:
        """Show and ask for this from now on; UserError, with nothing changed, if gRPC does not take it.

        Whether certificates are asked for at all stays as it was.
        """
        if tls == self.tls:
            return
        configuration = _configuration(tls)
        self.tls, self._wanted = tls, configuration

    def _newer(self) -> grpc.ServerCertificateConfiguration | None:
        """Asked by threads of gRPC's before each handshake; None for the same as before."""
        wanted = self._wanted
        if wanted is self._served:
            return None
        self._served = wanted
        return wanted


def _asks(tls: Tls) -> bool:
    return tls.authorities is not None


def _configuration(tls: Tls) -> grpc.ServerCertificateConfiguration:
    """The same in gRPC's words; UserError if it does not take it, which it would keep to itself later."""
    pair = (tls.identity.key, tls.identity.chain)
    configuration = grpc.ssl_server_certificate_configuration([pair], tls.authorities)
    trial = grpc.aio.server()
    try:
        trial.add_secure_port(
            f"unix-abstract:sysmon-trial/{secrets.token_hex(8)}",
            grpc.dynamic_ssl_server_credentials(configuration, lambda: configuration, _asks(tls)),
        )
    except RuntimeError:
        raise UserError(f"{tls.identity.name}: gRPC does not take this certificate; make one by P-256 or RSA") from None
    return configuration
