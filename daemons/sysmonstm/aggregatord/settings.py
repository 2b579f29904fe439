"""What sysmon-aggregatord can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from sysmonstm.aggregatord.tls import Paths, read_tls
from sysmonstm.config import CREDENTIAL, RESTART, About, NoneWhenEmpty, StorageSettings, UserError
from sysmonstm.listen import ListenAddress


@dataclass(frozen=True)
class AggregatorSettings(StorageSettings):
    """AGGREGATOR_* in the environment."""

    env_prefix: ClassVar[str] = "AGGREGATOR_"

    listen: Annotated[
        ListenAddress,
        RESTART,
        About("Address for collectors, host:port or unix:/path; not used where systemd hands over a socket"),
    ] = "127.0.0.1:50051"
    tls_certificate: Annotated[
        Path | None,
        NoneWhenEmpty,
        CREDENTIAL,
        RESTART,
        About("PEM file of the certificate shown to collectors that come by TCP; none for no TLS"),
    ] = None
    tls_key: Annotated[Path | None, NoneWhenEmpty, CREDENTIAL, RESTART, About("PEM file of the key to it")] = None
    tls_client_ca: Annotated[
        Path | None,
        NoneWhenEmpty,
        CREDENTIAL,
        RESTART,
        About(
            "PEM file of the authorities that sign collectors' certificates; if set, each that comes by TCP must show "
            "one for its machine's name"
        ),
    ] = None
    commit_interval: Annotated[
        float,
        Gt(0),
        Le(60),
        About("Seconds for which frames are gathered into one commit; acknowledgements wait for it"),
    ] = 0.5
    window: Annotated[int, Ge(1), Le(1000), About("Batches that a collector may have unacknowledged")] = 8
    pending_bytes: Annotated[
        int,
        Ge(16 * 1024 * 1024),
        About(
            "Bytes of samples that wait for the database, or may still come; collectors keep the rest in their spools"
        ),
    ] = 256 * 1024 * 1024
    machines: Annotated[
        int,
        Ge(1),
        About("Machines that the fleet may have; more are refused, so that nobody fills the hub with names"),
    ] = 10_000
    rollup_interval: Annotated[
        float,
        Ge(1),
        Le(3600),
        About("Seconds from one roll-up to the next; what is newer is read from raw samples meanwhile"),
    ] = 300
    keep_raw_hours: Annotated[float, Ge(1), About("Hours for which every sample is kept")] = 48
    keep_minutes_days: Annotated[
        float, Gt(0), About("Days for which min, mean, max and count of each minute are kept")
    ] = 30
    keep_hours_days: Annotated[
        float, Gt(0), About("Days for which min, mean, max and count of each hour are kept, and events and gaps")
    ] = 730
    forget_after_days: Annotated[
        float, Ge(1), About("Days without a sample after which a machine is forgotten, with its history")
    ] = 730

    def check(self) -> None:
        """See that each tier outlasts the finer one, and that certificates are good; UserError if not."""
        read_tls(self.tls)
        if not self.keep_raw_hours < self.keep_minutes_days * 24:
            raise UserError("AGGREGATOR_KEEP_MINUTES_DAYS: minutes must be kept longer than AGGREGATOR_KEEP_RAW_HOURS")
        if not self.keep_minutes_days < self.keep_hours_days:
            raise UserError("AGGREGATOR_KEEP_HOURS_DAYS: hours must be kept longer than AGGREGATOR_KEEP_MINUTES_DAYS")

    @property
    def tls(self) -> Paths:
        """Where the certificates are."""
        return Paths(self.tls_certificate, self.tls_key, self.tls_client_ca)
