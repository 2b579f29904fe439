"""sysmonctl's command line: one subcommand for each thing that people do with it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from sysmonstm.config import UserError, die
from sysmonstm.ctl import alertd
from sysmonstm.ctl.dashboard import DEFAULT_URL, url_here
from sysmonstm.ctl.events import events
from sysmonstm.ctl.installing import command as installing
from sysmonstm.ctl.machines import machines
from sysmonstm.ctl.state import state_directory
from sysmonstm.ctl.top import top
from sysmonstm.ctl.up import up
from sysmonstm.logs import printable


def parser() -> argparse.ArgumentParser:
    """Every subcommand and its options."""
    top_level = argparse.ArgumentParser(prog="sysmonctl", description="Watch machines from a terminal.")
    top_level.add_argument("--version", action="version", version=f"sysmonctl {version('sysmonstm')}")
    commands = top_level.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("up", help="run everything on this machine until Ctrl-C")
    run.add_argument("--state", type=Path, metavar="DIR", help="where data and logs are kept (or $SYSMON_STATE_DIR)")
    run.add_argument("--verbose", action="store_true", help="the daemons' log lines to the terminal, not to files")
    run.set_defaults(run=_up)

    url = f"the dashboard's address (or $SYSMON_URL; where systemd listens for it here, else {DEFAULT_URL})"
    table = commands.add_parser("machines", help="print a table of the machines")
    table.add_argument("--url", help=url)
    table.add_argument("--json", action="store_true", help="print what the API answers")
    table.set_defaults(run=lambda asked: machines(_url(asked) or url_here(), asked.json))

    live = commands.add_parser("top", help="the same table, live, until q or Ctrl-C")
    live.add_argument("--url", help=url)
    live.set_defaults(run=lambda asked: top(_url(asked) or url_here()))

    happened = commands.add_parser("events", help="print what happened: alerts, failed units, new machines")
    happened.add_argument("--url", help=url)
    happened.add_argument("--machine", metavar="MACHINE", help="of this machine only")
    happened.add_argument("-n", "--lines", type=int, default=50, metavar="COUNT", help="the newest so many (50)")
    happened.add_argument("-f", "--follow", action="store_true", help="and each as it happens, until Ctrl-C")
    happened.add_argument("--json", action="store_true", help="one JSON object a line, as the API has it")
    happened.set_defaults(run=_events)

    health = commands.add_parser("doctor", help="look for what is wrong on this machine, and say what mends it")
    health.add_argument("--url", help="the dashboard's address, if it is not where this machine's listens")
    health.add_argument("--state", type=Path, metavar="DIR", help="the one of a `sysmonctl up` that is looked at")
    health.add_argument("--json", action="store_true", help="what is found as JSON")
    health.set_defaults(run=_doctor)

    alertd.add_parsers(commands)

    installing.add_parsers(commands)

    gone = commands.add_parser("forget", help="take a machine out of the fleet and delete its history")
    gone.add_argument("machine", metavar="MACHINE", help="its name, as `sysmonctl machines` prints it")
    gone.add_argument("--state", type=Path, metavar="DIR", help="the one of a `sysmonctl up`, for its database")
    gone.add_argument("--force", action="store_true", help="even if it still sends; it comes back as a new machine")
    gone.set_defaults(run=_forget)
    return top_level


def main(argv: Sequence[str] | None = None) -> None:
    """Run sysmonctl."""
    arguments = parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except UserError as error:
        # It may carry a machine's or a server's words.
        die(f"sysmonctl: {printable(str(error))}")
    except BrokenPipeError:
        # Whoever read us (`| head`) has had enough; nothing more can be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _state(arguments: argparse.Namespace) -> Path:
    return state_directory(arguments.state, os.environ, os.geteuid() == 0)


def _url(arguments: argparse.Namespace) -> str | None:
    return arguments.url or os.environ.get("SYSMON_URL")


def _check_whole() -> None:
    """UserError where only the collector is installed, as on NixOS on machines that are no hub."""
    if find_spec("sysmonstm.aggregatord") is None:
        raise UserError("this machine has the collector alone; say it on the hub, or install all of sysmonstm here")


def _up(arguments: argparse.Namespace) -> None:
    _check_whole()
    up(_state(arguments), arguments.verbose, os.environ)


def _forget(arguments: argparse.Namespace) -> None:
    _check_whole()
    # Only this needs psycopg, which takes a while to load.
    from sysmonstm.ctl.forget import database_url, forget

    forget(database_url(arguments.state, _state(arguments), os.environ), arguments.machine, arguments.force)


def _doctor(arguments: argparse.Namespace) -> None:
    # Its many checks take a while to load.
    from sysmonstm.ctl.doctor.report import doctor

    sys.exit(doctor(_state(arguments), _url(arguments), arguments.json))


def _events(asked: argparse.Namespace) -> None:
    events(_url(asked) or url_here(), asked.machine, asked.lines, asked.follow, asked.json)


if __name__ == "__main__":
    main()
