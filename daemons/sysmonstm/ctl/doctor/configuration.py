"""Whether each daemon finds its configuration good: asked of the daemons themselves."""

from __future__ import annotations

import os
from pathlib import Path

from sysmonstm.ctl.doctor import asking
from sysmonstm.ctl.doctor.asking import Said
from sysmonstm.ctl.doctor.finding import Finding, Verdict, fail, ok, unseen
from sysmonstm.ctl.doctor.place import Daemon, Place
from sysmonstm.resources import commands


def check(place: Place) -> list[Finding]:
    """Each that is not good, or one finding for all."""
    found = [_asked(place, daemon) for daemon in place.daemons]
    amiss = [one for one in found if one.verdict is not Verdict.OK]
    return amiss or [ok("the configuration of each daemon is good")] if found else []


def _asked(place: Place, daemon: Daemon) -> Finding:
    executable = commands() / f"sysmon-{daemon.name}"
    if not place.by_systemd:
        if daemon.environ is None:
            return unseen(f"what {daemon.name} was told may not be read")
        return judge(daemon.name, asking.command([executable, "--check-config"], environ=daemon.environ), None)
    file = place.settings / f"{daemon.name}.toml"
    if file.exists() and not os.access(file, os.R_OK):
        return unseen(f"{file} may not be read", "ask again as root: sudo sysmonctl doctor")
    environ = {"PATH": os.defpath}
    if os.access(place.settings / "credentials", os.R_OK | os.X_OK):
        environ["CREDENTIALS_DIRECTORY"] = str(place.settings / "credentials")
    return judge(daemon.name, asking.command([executable, "--check-config", "--config", file], environ=environ), file)


def judge(daemon: str, said: Said | None, file: Path | None) -> Finding:
    """What is to be said of what a daemon says of its configuration."""
    if said is None:
        return unseen(f"sysmon-{daemon} could not be asked about its configuration")
    if said.succeeded:
        return ok(f"the configuration of {daemon} is good")
    reason = said.last_line.removeprefix(f"sysmon-{daemon}: ")
    if file is None:
        return fail(f"{daemon} would not start again: {reason}", "mend it in the environment of `sysmonctl up`")
    return fail(f"{daemon} would not start again: {reason}", f"mend {file}", f"systemctl reload sysmon-{daemon}")
