"""What sysmon-gatewayd can be told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from sysmonstm.certificates import Identity, read_served_identity
from sysmonstm.config import CREDENTIAL, RESTART, About, Check, CommaSeparated, NoneWhenEmpty, StorageSettings
from sysmonstm.listen import ListenAddress, UnixAddress

_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?")


def _host_names(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if not _HOST_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no host name; give names without scheme and port")
    return tuple(name.lower() for name in names)


@dataclass(frozen=True)
class GatewaySettings(StorageSettings):
    """GATEWAY_* in the environment."""

    env_prefix: ClassVar[str] = "GATEWAY_"

    listen: Annotated[
        ListenAddress,
        RESTART,
        About("Address for browsers, host:port or unix:/path; not used where systemd hands over a socket"),
    ] = "127.0.0.1:8000"
    tls_certificate: Annotated[
        Path | None,
        NoneWhenEmpty,
        CREDENTIAL,
        RESTART,
        About("PEM file of the certificate shown to browsers that come by TCP; none for http"),
    ] = None
    tls_key: Annotated[Path | None, NoneWhenEmpty, CREDENTIAL, RESTART, About("PEM file of the key to it")] = None
    allowed_hosts: Annotated[
        CommaSeparated,
        Check(_host_names),
        About("Names by which browsers reach the dashboard, besides IP addresses, localhost and the host's own"),
    ] = ()
    alertd: Annotated[str, UnixAddress, About("Where alertd's control interface is, unix:/path")] = (
        "unix:/run/sysmon/alertd.sock"
    )

    def check(self) -> None:
        """See that the certificate is good; UserError if not."""
        self.read_identity()

    def read_identity(self) -> Identity | None:
        """What is shown to browsers, None if there is no TLS; UserError if it is not good."""
        return read_served_identity(self.tls_certificate, self.tls_key, self.env_prefix)
