"""`sysmonctl up`: everything on this machine, with private servers in one state directory, until Ctrl-C."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from sysmonstm.config import UserError
from sysmonstm.ctl import servers
from sysmonstm.ctl.console import Console, Stopped
from sysmonstm.ctl.notify import notify_socket, received
from sysmonstm.ctl.parts import STOP_SECONDS, DaemonPart, ServerPart, stop_daemons
from sysmonstm.ctl.sockets import NAMES, addresses, bound_address, from_here, open_sockets
from sysmonstm.ctl.state import locked, log_file
from sysmonstm.ctl.supervisor import Part, Supervised
from sysmonstm.logs import printable

# In the order in which they are started; they are stopped in the opposite one.
DAEMONS = ("aggregatord", "gatewayd", "alertd", "collectord")
# Set by `up` itself, whatever they were.
OWN_SERVERS = ("REDIS_URL", "TIMESCALE_URL")
STARTING_POLL_SECONDS = 0.05
POLL_SECONDS = 0.25
PATIENCE_SECONDS = 15.0


def up(state: Path, verbose: bool, environ: Mapping[str, str]) -> None:
    """Run until SIGINT or SIGTERM. UserError if it cannot; nothing is left running either way."""
    console = Console()
    try:
        with locked(state), ExitStack() as opened:
            _run(state, verbose, environ, console, opened)
    except Stopped:
        console.say(f"sysmonstm has stopped; its data stays in {printable(str(state))}")


def _run(state: Path, verbose: bool, environ: Mapping[str, str], console: Console, opened: ExitStack) -> None:
    sockets = _sockets(state, environ, console, opened)
    notifications = opened.enter_context(notify_socket(state / "notify"))
    if given := [name for name in OWN_SERVERS if name in environ]:
        console.say(f"{' and '.join(given)} not used: `sysmonctl up` has servers of its own")
    redis, postgres = _start_servers(state, console, opened)
    settings = _settings(environ, verbose) | {
        "REDIS_URL": redis.url,
        "TIMESCALE_URL": postgres.url,
        **addresses(state, sockets),
        "COLLECTOR_SPOOL_DIRECTORY": environ.get("COLLECTOR_SPOOL_DIRECTORY", str(state / "collector")),
        "NOTIFY_SOCKET": str(state / "notify"),
    }
    daemons = _daemons(state, verbose, settings, sockets)
    opened.callback(stop_daemons, list(reversed(daemons)))
    parts: list[Part] = [redis, postgres, *daemons]
    everything = [Supervised(part, console.say) for part in parts]
    _start(everything, daemons, notifications, console)
    dashboard = from_here(bound_address(sockets["gatewayd"]))
    scheme = "https" if settings.get("GATEWAY_TLS_CERTIFICATE") else "http"
    console.say(_welcome(state, f"{scheme}://{dashboard}", postgres.edition, verbose))
    while True:
        _look(everything, daemons, notifications)
        console.pause(POLL_SECONDS)


def _sockets(state: Path, environ: Mapping[str, str], console: Console, opened: ExitStack) -> dict[str, socket.socket]:
    """A socket for each daemon to serve; UserError if an address cannot be had."""
    # A run that was killed leaves its notify socket, and its daemons hold their sockets until they have stopped.
    patience = time.monotonic() + (STOP_SECONDS if (state / "notify").exists() else 0.0)
    found: dict[str, socket.socket] = {}
    while len(found) < len(NAMES):
        try:
            for name, sock in open_sockets(state, environ, dict(found)):
                found[name] = opened.enter_context(sock)
        except UserError:
            if time.monotonic() >= patience:
                raise
            console.pause(STARTING_POLL_SECONDS)
    return found


def _start_servers(state: Path, console: Console, opened: ExitStack) -> tuple[ServerPart, ServerPart]:
    # One after the other: together they take a tenth of a second, and the first time PostgreSQL alone is slow.
    redis = ServerPart("Redis", lambda: servers.redis(state, console.pause))
    opened.callback(redis.stop)
    console.step("starting Redis")
    redis.start()
    postgres = ServerPart("PostgreSQL", lambda: servers.postgres(state, console.pause))
    opened.callback(postgres.stop)
    first = not (state / "postgres" / "data").exists()
    console.step("making the database, this first time only" if first else "starting PostgreSQL")
    postgres.start()
    console.step("")
    return redis, postgres


def _settings(environ: Mapping[str, str], verbose: bool) -> dict[str, str]:
    """The person's own environment, without what speaks of our own service manager."""
    passed = {name: value for name, value in environ.items() if not name.startswith(("LISTEN_", "WATCHDOG_"))}
    return {"LOG_FORMAT": "text"} | passed if verbose else passed


def _daemons(
    state: Path, verbose: bool, settings: Mapping[str, str], sockets: Mapping[str, socket.socket]
) -> list[DaemonPart]:
    return [
        DaemonPart(
            name,
            settings,
            log=None if verbose else log_file(state, name),
            sockets={NAMES[name]: sockets[name]},
        )
        for name in DAEMONS
    ]


def _start(
    everything: Sequence[Supervised], daemons: Sequence[DaemonPart], notifications: socket.socket, console: Console
) -> None:
    """Until all are ready."""
    mention = time.monotonic() + 1.0
    while True:
        _look(everything, daemons, notifications)
        waiting = [daemon for daemon in daemons if not daemon.ready]
        if not waiting:
            return
        if time.monotonic() > mention:
            console.say("waiting for " + ", ".join(_with_status(daemon) for daemon in waiting) + " …")
            mention += PATIENCE_SECONDS
        console.pause(STARTING_POLL_SECONDS)


def _look(everything: Sequence[Supervised], daemons: Sequence[DaemonPart], notifications: socket.socket) -> None:
    """Hear what the daemons say, and start again what has ended."""
    by_pid = {daemon.pid: daemon for daemon in daemons}
    for notification in received(notifications):
        if daemon := by_pid.get(notification.pid):
            daemon.hear(notification.fields)
    now = time.monotonic()
    for one in everything:
        one.step(now)


def _with_status(daemon: DaemonPart) -> str:
    return f"{daemon.name} ({printable(daemon.status)})" if daemon.status else daemon.name


def _welcome(state: Path, dashboard: str, edition: str, verbose: bool) -> str:
    where = printable(str(state))
    logs = "" if verbose else f", logs in {where}/logs"
    return f"sysmonstm is up: {dashboard}  (Ctrl-C stops it; data in {where}{logs})\nhistory is kept by {edition}"
