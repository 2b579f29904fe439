"""What must hold before anything is installed, each with what to do about it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import sysmonstm
from sysmonstm.config import UserError
from sysmonstm.ctl.installing.units import Place
from sysmonstm.resources import commands, resource

# Hidden from the daemons, or replaced by others of their own: ProtectHome=, PrivateTmp=.
HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"), Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - told apart
NIXOS = Path("/etc/NIXOS")
ELSEWHERE = (
    "install sysmonstm in a place of its own: python3 -m venv /opt/sysmonstm && /opt/sysmonstm/bin/pip install …"
)


def this_installation() -> Place:
    """Where the running package is; UserError if its executables are not there."""
    scripts = commands()
    if not (scripts / "sysmon-collectord").is_file():
        raise UserError(f"{scripts} has no sysmon-collectord; {ELSEWHERE}")
    return Place(scripts, resource("README.md"))


def check_machine(dry: bool) -> None:
    """UserError unless this is a machine that runs systemd, and we are root."""
    if NIXOS.exists():
        raise UserError("NixOS makes its services from its configuration: services.sysmonstm.collector.enable = true")
    if not Path("/run/systemd/system").is_dir():
        raise UserError(
            "this machine is not run by systemd; use `sysmonctl up`, or --root DIR for the tree of another machine"
        )
    if os.geteuid() != 0 and not dry:
        raise UserError("only root may install services; use sudo, or --dry-run to see what would be done")


def check_reachable(place: Place) -> None:
    """UserError if the daemons, who are nobody in particular, could not run what is installed here."""
    package = Path(sysmonstm.__file__).parent
    for path in (place.scripts, package, Path(sys.executable), Path(sys.base_prefix)):
        for one in (path, path.resolve()):
            _check_open(one)


def _check_open(path: Path) -> None:
    for hidden in HIDDEN:
        if path.is_relative_to(hidden):
            raise UserError(f"the daemons cannot see {path}, as they see nothing in {hidden}; {ELSEWHERE}")
    for one in (path, *path.parents):
        if not one.stat().st_mode & 0o001:
            raise UserError(f"the daemons run as accounts of their own, which may not enter {one}; {ELSEWHERE}")
