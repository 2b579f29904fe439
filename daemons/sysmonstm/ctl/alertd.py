"""The subcommands that ask sysmon-alertd: their options, and which function does each."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from sysmonstm.ctl import alerts, rules
from sysmonstm.ctl.control import control_socket
from sysmonstm.ctl.state import state_directory


def add_parsers(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommands and their options."""
    wrong = commands.add_parser("alerts", help="print what is wrong now")
    wrong.add_argument("--all", action="store_true", help="what is pending too, and when it fires")
    watched = commands.add_parser("rules", help="print the rules that alerts come of, or check a file of rules")
    watched.add_argument(
        "--check", type=Path, metavar="FILE", help="say whether this file is good; - is standard input"
    )
    test = commands.add_parser("test-notification", help="send one to the webhook now, and say how that went")
    for one in (wrong, watched):
        one.add_argument("--json", action="store_true", help="print what alertd answers")
    for one in (wrong, watched, test):
        where = "the one of a `sysmonctl up`, for its alertd (or $SYSMON_ALERTD, the path of its socket)"
        one.add_argument("--state", type=Path, metavar="DIR", help=where)
        one.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    state = state_directory(arguments.state, os.environ, os.geteuid() == 0)
    socket = control_socket(arguments.state, state, os.environ)
    if arguments.command == "alerts":
        alerts.alerts(socket, arguments.json, with_pending=arguments.all)
    elif arguments.command == "test-notification":
        alerts.send_test(socket)
    elif arguments.check:
        rules.check(socket, arguments.check)
    else:
        rules.rules(socket, arguments.json)
