"""Whether the daemons run the code that is installed: after an upgrade, those that were not restarted run the old."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path

from sysmonstm.ctl.doctor import asking
from sysmonstm.ctl.doctor.finding import Finding, fail, ok, unseen, warn
from sysmonstm.ctl.doctor.place import PROC, Daemon, Place
from sysmonstm.resources import commands

PACKAGE = "sysmonstm"
RESTART = "systemctl restart sysmon.target"


def check(place: Place) -> list[Finding]:
    """Compare when they started with when the package was put in place."""
    elsewhere = [found for one in place.daemons if (found := judge_place(one.name, _started_from(one)))]
    if elsewhere:
        return elsewhere[:1]
    started = {one.name: started_at(one.pid) for one in place.daemons if one.pid}
    return judge(metadata.version(PACKAGE), _installed_at(), started, place.by_systemd)


def _started_from(daemon: Daemon) -> str:
    """The executable in systemd's words; empty if no systemd starts it."""
    words = daemon.service.shown.get("ExecStart", "") if daemon.service else ""
    return words.partition("path=")[2].partition(" ;")[0].strip()


def judge_place(daemon: str, path: str) -> Finding | None:
    """Whether systemd starts another installation than this one; None if it is this one, or not known."""
    if not path:
        return None
    if not Path(path).exists():
        return fail(f"systemd would start {daemon} from {path}, which is not there", "sysmonctl install --role …")
    if Path(path).parent.resolve() != commands().resolve():
        sentence = f"systemd starts {daemon} from {Path(path).parent}, and this is sysmonctl of {commands()}"
        return warn(sentence, f"{Path(path).parent}/sysmonctl doctor")
    return None


def _installed_at() -> float | None:
    """When pip put the package there, in seconds since 1970; None where that is not told, as in the Nix store."""
    found = metadata.distribution(PACKAGE).locate_file(f"{PACKAGE}-{metadata.version(PACKAGE)}.dist-info")
    try:
        moment = Path(str(found)).stat().st_mtime
    except OSError:
        return None
    return moment if moment > 86_400 else None


def started_at(pid: int) -> float | None:
    """When a process started, in seconds since 1970; None if it is gone."""
    stat, boot = asking.text_of(PROC / str(pid) / "stat"), asking.text_of(PROC / "stat")
    if not stat or not boot:
        return None
    # Its name, in brackets, may hold anything.
    ticks = int(stat.rpartition(")")[2].split()[19])
    booted = next(int(line.split()[1]) for line in boot.splitlines() if line.startswith("btime "))
    return booted + ticks / os.sysconf("SC_CLK_TCK")


def judge(version: str, installed: float | None, started: dict[str, float | None], by_systemd: bool) -> list[Finding]:
    """What is to be said; times are in seconds since 1970."""
    if not started:
        return []
    if installed is None or None in started.values():
        return [unseen("when the daemons started, or the package was installed, could not be found out")]
    old = [name for name, moment in started.items() if moment is not None and moment < installed]
    if old:
        fix = RESTART if by_systemd else "stop `sysmonctl up` by Ctrl-C and start it again"
        return [warn(f"an upgrade has been installed since {', '.join(old)} started: the old code runs on", fix)]
    return [ok(f"the daemons run what is installed: {version}")]
