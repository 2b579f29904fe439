"""Has systemd read, enable, start, disable and stop the installed units."""

from __future__ import annotations

import subprocess

from sysmonstm.ctl.installing.steps import Steps
from sysmonstm.ctl.installing.units import LISTENING, TARGET, UNITS, unit_names


def reload(steps: Steps) -> None:
    """Have this machine's systemd read its units again, if anything was changed."""
    if steps.taken and not steps.elsewhere:
        steps.command("have systemd read its units again", "systemctl", "daemon-reload")


def enable(steps: Steps, daemons: tuple[str, ...], new: set[str]) -> None:
    """Have the units started at boot: those that are new, so that what somebody has disabled stays so."""
    reload(steps)
    wanted = [name for name in unit_names(daemons) if name in new or not _is_enabled(steps, TARGET)]
    missing = [name for name in wanted if not _is_enabled(steps, name)]
    if missing:
        steps.command(f"enable {', '.join(missing)}", *_systemctl(steps), "enable", *missing)


def start(steps: Steps) -> None:
    """Start everything, or restart it: a new version of the daemons may have come with nothing else changed."""
    sockets = [name for name in LISTENING if any(name in step for step in steps.taken)]
    if sockets:
        steps.command(f"restart {', '.join(sockets)}", "systemctl", "restart", *sockets)
    steps.command(f"restart {TARGET}", "systemctl", "restart", TARGET)


def disable(steps: Steps, daemons: tuple[str, ...]) -> None:
    """Stop those that are installed, and have them started no more."""
    names = [name for name in unit_names(daemons) if steps.at(UNITS / name).exists()]
    if names:
        stop = [] if steps.elsewhere else ["--now"]
        steps.command(f"stop and disable {', '.join(names)}", *_systemctl(steps), "disable", *stop, *names)


def _systemctl(steps: Steps) -> list[str]:
    return ["systemctl", "--quiet", *([f"--root={steps.root}"] if steps.elsewhere else [])]


def _is_enabled(steps: Steps, name: str) -> bool:
    return subprocess.run([*_systemctl(steps), "is-enabled", name], capture_output=True, check=False).returncode == 0
