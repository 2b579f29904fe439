"""The command lines of `sysmonctl install` and `sysmonctl uninstall`."""

from __future__ import annotations

import argparse
from pathlib import Path

from sysmonstm.config import UserError
from sysmonstm.ctl.installing.install import Wish, install, uninstall
from sysmonstm.ctl.installing.steps import Steps


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both to sysmonctl's subcommands."""
    one = commands.add_parser("install", help="make systemd services of this installation (as root)")
    one.add_argument("--role", choices=("hub", "machine"), required=True, help="a hub, or a machine that sends to one")
    one.add_argument("--hub", metavar="ADDRESS", help="where a machine sends to: HOST or HOST:PORT")
    one.add_argument(
        "--listen",
        metavar="ADDRESS",
        help="of this hub, where others reach it (loopback only); see the README on TLS first",
    )
    one.add_argument("--now", action="store_true", help="start the services, or restart them")
    other = commands.add_parser("uninstall", help="take those services away; data and what was edited stay")
    for parser in (one, other):
        parser.add_argument("--root", type=Path, default=Path("/"), metavar="DIR", help="the tree of another machine")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
        parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    if not arguments.root.is_dir():
        raise UserError(f"--root: {arguments.root} is no directory")
    steps = Steps(arguments.root.resolve(), arguments.dry_run)
    if arguments.command == "uninstall":
        uninstall(steps)
    else:
        install(Wish(arguments.role, arguments.hub, arguments.listen, arguments.now), steps)
