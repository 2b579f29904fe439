"""Whether the names of the daemons' accounts can be found, by which a PostgreSQL on this machine knows them."""

from __future__ import annotations

import re
from pathlib import Path

from sysmonstm.ctl.doctor import asking
from sysmonstm.ctl.doctor.finding import Finding, fail, ok
from sysmonstm.ctl.doctor.place import Place

PASSWD = Path("/etc/passwd")
NSSWITCH = Path("/etc/nsswitch.conf")
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_BY_SOCKET = re.compile(r"(?:^|[?&\s])host=(?:/|%2F)", re.IGNORECASE)


def check(place: Place) -> list[Finding]:
    """Of services whose database is on this machine."""
    if not (place.by_systemd and _BY_SOCKET.search(place.text("aggregatord", "timescale_url"))):
        return []
    passwd = asking.text_of(PASSWD) or ""
    if all(f"\nsysmon-{one}:" in f"\n{passwd}" for one in ("aggregatord", "gatewayd", "alertd") if place.daemon(one)):
        return [ok("the daemons have accounts by which PostgreSQL can tell them")]
    has_library = any(found for one in LIBRARIES for found in Path(one).glob("**/libnss_systemd.so.2"))
    return judge(asking.text_of(NSSWITCH) or "", has_library=has_library)


def judge(nsswitch: str, *, has_library: bool) -> list[Finding]:
    """What is to be said of the file that says where names are looked up."""
    asked = any(line.startswith("passwd:") and "systemd" in line.split() for line in nsswitch.splitlines())
    if asked and has_library:
        return [ok("PostgreSQL can tell the daemons by their accounts")]
    sentence = "the names of the daemons' accounts cannot be found: PostgreSQL would not let them in"
    if has_library:
        return [fail(sentence, "add `systemd` to the line `passwd:` in /etc/nsswitch.conf")]
    return [fail(sentence, "apt install libnss-systemd")]
