"""Every check, in the order in which they are made: what others depend on comes first."""

from __future__ import annotations

from collections.abc import Callable

from sysmonstm.ctl.doctor import (
    accounts,
    alertd,
    clock,
    configuration,
    credentials,
    database,
    descriptors,
    disk,
    gateway,
    hub,
    installation,
    journal,
    ports,
    redis_server,
    samples,
    services,
    sockets,
    spool,
    versions,
)
from sysmonstm.ctl.doctor.finding import Finding
from sysmonstm.ctl.doctor.place import Place

Check = Callable[[Place], list[Finding]]

# A check that is not about this place finds nothing.
CHECKS: tuple[tuple[str, Check], ...] = (
    ("services", services.check),
    ("installation", installation.check),
    ("configuration", configuration.check),
    ("credentials", credentials.check),
    ("sockets", sockets.check),
    ("alertd", alertd.check),
    ("versions", versions.check),
    ("hub", hub.check),
    ("spool", spool.check),
    ("accounts", accounts.check),
    ("database", database.check),
    ("redis", redis_server.check),
    ("dashboard", gateway.check),
    ("samples", samples.check),
    ("clock", clock.check),
    ("disk", disk.check),
    ("descriptors", descriptors.check),
    ("ports", ports.check),
    ("journal", journal.check),
)
