"""sysmonctl's command line: one subcommand for each thing that people do with it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from sysmonstm.config import UserError, die
from sysmonstm.ctl.machines import machines
from sysmonstm.ctl.state import state_directory
from sysmonstm.ctl.top import top
from sysmonstm.ctl.up import up
from sysmonstm.logs import printable

DEFAULT_URL = "http://127.0.0.1:8000"


def parser() -> argparse.ArgumentParser:
    """Every subcommand and its options."""
    top_level = argparse.ArgumentParser(prog="sysmonctl", description="Watch machines from a terminal.")
    top_level.add_argument("--version", action="version", version=f"sysmonctl {version('sysmonstm')}")
    commands = top_level.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("up", help="run everything on this machine until Ctrl-C")
    run.add_argument("--state", type=Path, metavar="DIR", help="where data and logs are kept (or $SYSMON_STATE_DIR)")
    run.add_argument("--verbose", action="store_true", help="the daemons' log lines to the terminal, not to files")

    url = f"the dashboard's address (or $SYSMON_URL; {DEFAULT_URL})"
    table = commands.add_parser("machines", help="print a table of the machines")
    table.add_argument("--url", help=url)
    table.add_argument("--json", action="store_true", help="print what the API answers")

    live = commands.add_parser("top", help="the same table, live, until q or Ctrl-C")
    live.add_argument("--url", help=url)

    gone = commands.add_parser("forget", help="take a machine out of the fleet and delete its history")
    gone.add_argument("machine", metavar="MACHINE", help="its name, as `sysmonctl machines` prints it")
    gone.add_argument("--state", type=Path, metavar="DIR", help="the one of a `sysmonctl up`, for its database")
    gone.add_argument("--force", action="store_true", help="even if it still sends; it comes back as a new machine")
    return top_level


def main(argv: Sequence[str] | None = None) -> None:
    """Run sysmonctl."""
    arguments = parser().parse_args(argv)
    try:
        if arguments.command == "up":
            up(state_directory(arguments.state, os.environ, os.geteuid() == 0), arguments.verbose, os.environ)
            return
        if arguments.command == "forget":
            # Only this needs psycopg, which takes a while to load.
            from sysmonstm.ctl.forget import database_url, forget

            state = state_directory(arguments.state, os.environ, os.geteuid() == 0)
            forget(database_url(arguments.state, state, os.environ), arguments.machine, arguments.force)
            return
        url = arguments.url or os.environ.get("SYSMON_URL") or DEFAULT_URL
        if arguments.command == "machines":
            machines(url, arguments.json)
        else:
            top(url)
    except UserError as error:
        # It may carry a machine's or a server's words.
        die(f"sysmonctl: {printable(str(error))}")
    except BrokenPipeError:
        # Whoever read us (`| head`) has had enough; nothing more can be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    main()
