"""Whether the services' accounts, who are nobody in particular, can run what is installed."""

from __future__ import annotations

from sysmonstm.config import UserError
from sysmonstm.ctl.doctor.finding import Finding, fail, ok
from sysmonstm.ctl.doctor.place import Place
from sysmonstm.ctl.installing.checks import ELSEWHERE, check_reachable, this_installation


def check(place: Place) -> list[Finding]:
    """Of services; a `sysmonctl up` runs what it is itself."""
    if not place.by_systemd:
        return []
    try:
        check_reachable(this_installation())
    except UserError as error:
        reason, _, fix = str(error).partition("; ")
        return [fail(reason, fix or ELSEWHERE)]
    return [ok("the services can run what is installed")]
