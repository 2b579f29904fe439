"""What sysmon-collectord can be told."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from sysmonstm.collectord.trust import Trust, read_trust
from sysmonstm.config import (
    CREDENTIAL,
    RESTART,
    About,
    Check,
    CommaSeparated,
    NoneWhenEmpty,
    Settings,
    UserError,
)
from sysmonstm.wire import MACHINE_NAME, check_tags

# A probe that is given up on must not hold up the next sample.
LARGEST_SHARE_OF_INTERVAL = 0.8

_HOST_AND_PORT = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")


def _hostname() -> str:
    return socket.gethostname()


def _spool_directory() -> Path:
    if given := os.environ.get("STATE_DIRECTORY"):
        # systemd names several with colons between them; the first is ours.
        return Path(given.partition(":")[0])
    if os.geteuid() == 0:
        return Path("/var/lib/sysmonstm/collector")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "sysmonstm" / "collector"


def _machine_name(name: str) -> str:
    if not MACHINE_NAME.fullmatch(name):
        raise ValueError("a machine's name is at most 128 letters, digits, '.', '-' and '_', the first no sign")
    return name


def _tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    # What the hub would refuse is a ValueError with a sentence for people.
    check_tags(tags)
    return tags


def _addresses(addresses: tuple[str, ...]) -> tuple[str, ...]:
    if not addresses:
        raise ValueError("at least one address is needed")
    for address in addresses:
        if not is_address(address):
            raise ValueError(f"{address!r} is neither host:port nor unix:/path")
    return addresses


@dataclass(frozen=True)
class CollectorSettings(Settings):
    """COLLECTOR_* in the environment."""

    env_prefix: ClassVar[str] = "COLLECTOR_"

    machine_id: Annotated[
        str, RESTART, Check(_machine_name), About("The machine's name in the fleet; the hostname unless set")
    ] = field(default_factory=_hostname)
    aggregator_url: Annotated[
        CommaSeparated,
        Check(_addresses),
        About(
            "Where aggregators listen, host:port or unix:/path; of several, separated by commas, the next is tried at "
            "once where one fails, and kept while it holds"
        ),
    ] = ("127.0.0.1:50051",)
    tags: Annotated[
        CommaSeparated,
        Check(_tags),
        About(
            "Words by which to group machines (`web`, `prod`, `rack:4`), separated by commas: 16 at most, each of at "
            "most 64 letters, digits and signs of `.-_:=/`"
        ),
    ] = ()
    tls_ca: Annotated[
        Path | None,
        NoneWhenEmpty,
        CREDENTIAL,
        About(
            "PEM file of the authorities that sign hubs' certificates, or `system` for those of the system; if set, "
            "TLS is spoken to host:port"
        ),
    ] = None
    tls_certificate: Annotated[
        Path | None, NoneWhenEmpty, CREDENTIAL, About("PEM file of the certificate shown to hubs that ask for one")
    ] = None
    tls_key: Annotated[Path | None, NoneWhenEmpty, CREDENTIAL, About("PEM file of the key to it")] = None
    collection_interval: Annotated[float, Ge(0.1), Le(3600), About("Seconds from one sample to the next")] = 5.0
    probe_deadline: Annotated[
        float,
        Ge(0.05),
        Le(60),
        About("Seconds that a sample waits for a probe that hangs; at most 80 % of the interval"),
    ] = 2.0
    spool_directory: Annotated[
        Path,
        RESTART,
        About(
            "Where samples are kept until they are stored, each collector's own; unless set, systemd's StateDirectory, "
            "else /var/lib/sysmonstm/collector for root and ~/.local/state/sysmonstm/collector for others"
        ),
    ] = field(default_factory=_spool_directory)
    spool_bytes: Annotated[
        int, Ge(1024 * 1024), About("Bytes that samples may take there while none are stored; beyond, the oldest go")
    ] = 512 * 1024 * 1024
    spool_free_bytes: Annotated[
        int, Ge(0), About("Bytes that must stay free in the file system there; below, the oldest samples go")
    ] = 256 * 1024 * 1024
    cgroups: Annotated[
        int,
        Ge(0),
        Le(1000),
        About("Services and slices whose CPU, memory and I/O are read, of at most seven series each; 0 for none"),
    ] = 200
    metrics_socket: Annotated[
        Path | None,
        NoneWhenEmpty,
        RESTART,
        About(
            "Path of a datagram socket that takes StatsD lines of local programs; not used where systemd hands over one"
        ),
    ] = None
    metrics_series: Annotated[
        int, Ge(0), Le(5000), About("Series that local programs may make; a timer makes four for each set of tags")
    ] = 500
    metrics_expire: Annotated[
        float,
        Ge(1),
        Le(30 * 86_400),
        About("Seconds for which the last value of a local program's gauge stands; then it is not known"),
    ] = 600.0

    def check(self) -> None:
        """See that certificates are good, and that there is a name; UserError if not.

        A hostname that cannot be the machine's name is no fault of a setting, so it is found here.
        """
        self.trust()
        try:
            _machine_name(self.machine_id)
        except ValueError as error:
            raise UserError(
                f"COLLECTOR_MACHINE_ID must be set: the hostname is {self.machine_id!r}, and {error}"
            ) from None

    def trust(self) -> Trust | None:
        """What the TLS files hold now, None if there is to be no TLS; UserError if it is not good."""
        return read_trust(self.tls_ca, self.tls_certificate, self.tls_key)

    @property
    def deadline(self) -> float:
        """`probe_deadline` as it is used, in seconds: cut to what the interval leaves room for."""
        return min(self.probe_deadline, LARGEST_SHARE_OF_INTERVAL * self.collection_interval)


def is_address(text: str) -> bool:
    """Whether the text is `host:port`, `[IPv6]:port` or `unix:/absolute/path`."""
    if text.startswith("unix:"):
        return text.startswith("unix:/") and len(text) > len("unix:/")
    parts = _HOST_AND_PORT.fullmatch(text)
    return parts is not None and 0 < int(parts["port"]) < 65536
