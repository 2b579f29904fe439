"""Whether alertd answers: the kernel takes connections for one that hangs, so that a connection shows nothing."""

from __future__ import annotations

import socket
from pathlib import Path

from sysmonstm.config import UserError
from sysmonstm.ctl import control
from sysmonstm.ctl.doctor import sockets
from sysmonstm.ctl.doctor.finding import Finding, fail, ok
from sysmonstm.ctl.doctor.place import Place

# It may have been started by this very question.
SECONDS = 10.0


def check(place: Place) -> list[Finding]:
    """Ask it how it goes. Where nobody listens, or not for us, the check of the sockets says so."""
    daemon = place.daemon("alertd")
    paths = [where for where, _ in sockets.places(place, daemon) if isinstance(where, Path)] if daemon else []
    if not paths or sockets.connects(paths[0], socket.SOCK_STREAM):
        return []
    restart = "systemctl restart sysmon-alertd" if place.by_systemd else "sysmonctl up"
    fixes = (place.look("sysmon-alertd"), restart)
    try:
        said = control.ask(paths[0], "GET", "/status", seconds=SECONDS)
    except control.SilentError:
        return [fail("alertd takes connections and says nothing: it hangs", *fixes)]
    except UserError as error:
        return [fail(str(error), *fixes)]
    return [ok(f"alertd answers; rules: {said.get('rules')}, machines: {said.get('machines')}")]
