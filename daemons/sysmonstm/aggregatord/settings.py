"""What sysmon-aggregatord can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from sysmonstm.config import About, StorageSettings
from sysmonstm.listen import ListenAddress


@dataclass(frozen=True)
class AggregatorSettings(StorageSettings):
    """AGGREGATOR_* in the environment."""

    env_prefix: ClassVar[str] = "AGGREGATOR_"

    listen: Annotated[
        ListenAddress, About("Address for collectors, host:port; not used where systemd hands over a socket")
    ] = "127.0.0.1:50051"
    commit_interval: Annotated[
        float,
        Gt(0),
        Le(60),
        About("Seconds for which frames are gathered into one commit; acknowledgements wait for it"),
    ] = 0.5
    window: Annotated[int, Ge(1), Le(1000), About("Batches that a collector may have unacknowledged")] = 8
    pending_frames: Annotated[
        int, Ge(1000), About("Frames kept in memory while the database is slow; beyond it collectors keep theirs")
    ] = 200_000
    machines: Annotated[
        int,
        Ge(1),
        About("Machines that the fleet may have; more are refused, so that nobody fills the hub with names"),
    ] = 10_000
