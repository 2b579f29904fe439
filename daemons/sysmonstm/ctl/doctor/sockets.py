"""Whether the sockets are there, may be used by whom they are for, and answer."""

from __future__ import annotations

import errno
import grp
import os
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sysmonstm.ctl.doctor.finding import Finding, Verdict, fail, ok, unseen, warn
from sysmonstm.ctl.doctor.listening import listed
from sysmonstm.ctl.doctor.place import Daemon, Place
from sysmonstm.listen import UNIX, Address, parse_place

GROUP = "sysmon"
# The metrics of local programs come from whoever runs them.
MODES = {"metrics.sock": 0o666}
MODE = 0o660
SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Socket:
    """A place where something should listen: how a connection to it ended (0: well), and whose a unix socket is."""

    daemon: str
    where: str
    error: int
    mode: int | None = None
    group: str = ""


def check(place: Place) -> list[Finding]:
    """Each socket that is not as it should be, or one finding for all."""
    found: list[Finding] = []
    count = 0
    for daemon in place.daemons:
        if daemon.socket and daemon.socket.state != "active":
            name = daemon.socket.name
            found.append(fail(f"{name} does not listen: it is {daemon.socket.state}", f"systemctl start {name}"))
            continue
        for where, kind in places(place, daemon):
            count += 1
            found += judge(look(daemon.name, where, kind), place.by_systemd)
    if not count and not found:
        return [unseen("where the daemons listen could not be found out")]
    amiss = [one for one in found if one.verdict is not Verdict.OK]
    return amiss or [ok("1 socket answers" if count == 1 else f"{count} sockets answer")]


def places(place: Place, daemon: Daemon) -> list[tuple[Path | Address, int]]:
    """Where a daemon should listen."""
    if daemon.socket:
        return listed(daemon.socket.shown.get("Listen", ""))
    environ = daemon.environ or {}
    state = place.state or Path("/")
    match daemon.name:
        case "aggregatord":
            # `up` tells its collector where that is.
            own = place.daemon("collectord")
            text = (own.environ or {}).get("COLLECTOR_AGGREGATOR_URL", "") if own else ""
        case "gatewayd":
            text = urlsplit(place.url).netloc
        case "alertd":
            text = f"{UNIX}{state / 'run' / 'alertd.sock'}"
        case _:
            path = state / "run" / "metrics.sock"
            return [(path, socket.SOCK_DGRAM)]
    try:
        return [(parse_place(text), socket.SOCK_STREAM)] if text and environ else []
    except ValueError:
        return []


def look(daemon: str, where: Path | Address, kind: int) -> Socket:
    """Connect, and see whose it is."""
    error = connects(where, kind)
    if not isinstance(where, Path):
        return Socket(daemon, str(where), error)
    try:
        status = where.stat()
    except OSError:
        return Socket(daemon, str(where), error)
    return Socket(daemon, str(where), error, stat.S_IMODE(status.st_mode), _group(status.st_gid))


def connects(where: Path | Address, kind: int) -> int:
    """How a connection ends: 0, or the number of the error."""
    try:
        if isinstance(where, Path):
            with socket.socket(socket.AF_UNIX, kind) as sock:
                sock.settimeout(SECONDS)
                return sock.connect_ex(str(where))
        socket.create_connection(where, SECONDS).close()
    except OSError as error:
        return error.errno or errno.ETIMEDOUT
    return 0


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)


def judge(found: Socket, by_systemd: bool) -> list[Finding]:
    """What is to be said of a socket; under `up` it is the person's own and has no group."""
    unit = f"sysmon-{found.daemon}"
    restart = f"systemctl restart {unit}.socket {unit}.service" if by_systemd else "sysmonctl up"
    if found.error == errno.EACCES:
        join = f"usermod --append --groups {GROUP} $USER"
        return [unseen(f"{found.where} may be used by the group {GROUP} only; ask again as root", join)]
    if found.error == errno.ENOENT:
        return [fail(f"{found.where} is not there: {found.daemon} cannot be reached", restart)]
    if found.error:
        return [fail(f"nothing answers at {found.where}: {os.strerror(found.error)}", restart)]
    if found.mode is None or not by_systemd:
        return [ok(f"{found.where} answers")]
    wanted = MODES.get(Path(found.where).name, MODE)
    if found.mode != wanted:
        return [warn(f"{found.where} has mode {found.mode:04o}, not {wanted:04o}", restart)]
    if wanted == MODE and found.group != GROUP:
        return [fail(f"{found.where} belongs to the group {found.group}, not {GROUP}", restart)]
    return [ok(f"{found.where} answers")]
