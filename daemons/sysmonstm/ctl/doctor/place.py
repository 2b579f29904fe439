"""What is looked at: the services that systemd runs here, or a running `sysmonctl up`; and what they were told."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

from sysmonstm import toml_text
from sysmonstm.config import SECRET, SHARED
from sysmonstm.ctl import dashboard
from sysmonstm.ctl.doctor import asking, units
from sysmonstm.ctl.doctor.units import Unit
from sysmonstm.listen import parse_address
from sysmonstm.resources import commands
from sysmonstm.toml_text import TomlError

DAEMONS = ("aggregatord", "gatewayd", "alertd", "collectord")
PREFIXES = {"aggregatord": "AGGREGATOR", "gatewayd": "GATEWAY", "alertd": "ALERTS", "collectord": "COLLECTOR"}
# The log of `sysmonctl up` for what is a unit under systemd.
LOGS = {"redis-server": "redis"}
SETTINGS = Path("/etc/sysmonstm")
CREDENTIALS = SETTINGS / "credentials"
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Daemon:
    """One of the daemons that belong here. `environ` is None where it may not be read; `pid` is 0 if it does not run.

    `service` and `socket` are None where no systemd runs it; `credentials` are the files that systemd gives it.
    """

    name: str
    pid: int = 0
    environ: Mapping[str, str] | None = None
    service: Unit | None = None
    socket: Unit | None = None
    credentials: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Who runs here, and how: `state` is the directory of a `sysmonctl up`, None where systemd runs the daemons."""

    daemons: tuple[Daemon, ...]
    url: str
    state: Path | None = None
    root: bool = False
    settings: Path = SETTINGS

    @property
    def by_systemd(self) -> bool:
        """Whether systemd runs the daemons."""
        return bool(self.daemons) and self.state is None

    @property
    def is_hub(self) -> bool:
        """Whether machines send here."""
        return self.daemon("aggregatord") is not None

    def look(self, unit: str) -> str:
        """The command that says how a unit, or what `sysmonctl up` runs in its place, is."""
        if self.state is None:
            return f"systemctl status {unit}"
        return f"tail {self.state}/logs/{LOGS.get(unit, unit.removeprefix('sysmon-'))}.log"

    def daemon(self, name: str) -> Daemon | None:
        """The daemon of this name, if it belongs here."""
        return next((one for one in self.daemons if one.name == name), None)

    def setting(self, name: str, field: str) -> object:
        """What a daemon was told, or its default; None if that cannot be found out from here."""
        daemon = self.daemon(name)
        environ = daemon.environ if daemon and daemon.environ else {}
        variable = field.upper() if field in SHARED else f"{PREFIXES[name]}_{field.upper()}"
        if variable in environ:
            return environ[variable]
        if self.by_systemd:
            secret = self.credential(name, field)
            if field in SECRET and secret.parent.exists() and not os.access(secret.parent, os.X_OK):
                return None
            if text := (asking.text_of(secret) or "").strip():
                return text
            told = _toml(asking.text_of(self.settings / f"{name}.toml") or "")
            if field in told:
                return told[field]
            file = self.credential(name, variable.lower())
            if (asking.text_of(file) or "").strip():
                return str(file)
        return defaults(name).get(field)

    def credential(self, name: str, credential: str) -> Path:
        """The file of which a daemon gets a copy, if it is there."""
        daemon = self.daemon(name)
        given = daemon.credentials if daemon else {}
        return given.get(credential, self.settings / "credentials" / credential)

    def text(self, name: str, field: str) -> str:
        """A setting that is a text, empty if it is not known."""
        value = self.setting(name, field)
        return value if isinstance(value, str) else ""


@lru_cache(maxsize=len(DAEMONS))
def defaults(name: str) -> Mapping[str, object]:
    """A daemon's settings as they are unless told otherwise, as it prints them itself."""
    said = asking.command([commands() / f"sysmon-{name}", "--print-config"])
    if said is None or not said.succeeded:
        return {}
    settings = [line[1:] for line in said.output.splitlines() if line.startswith("#") and not line.startswith("# ")]
    return _toml("\n".join(settings))


def _toml(text: str) -> dict[str, object]:
    try:
        return toml_text.parse(text)
    except TomlError:
        # The check of the configuration says what is wrong with it.
        return {}


def find(state: Path, url: str | None) -> Place:
    """What is here: the services of systemd before a `sysmonctl up` with its data in `state`; no daemons if neither."""
    names = tuple(f"sysmon-{name}.{kind}" for name in DAEMONS for kind in ("service", "socket"))
    known = units.ask(names)
    installed = tuple(
        _of_systemd(name, service, known.get(f"sysmon-{name}.socket"))
        for name in DAEMONS
        if (service := known.get(f"sysmon-{name}.service")) and service.installed
    )
    root = os.geteuid() == 0
    if installed:
        here = Place(installed, "", root=root)
        scheme = _scheme(here.setting("gatewayd", "tls_certificate"))
        return replace(here, url=url or dashboard.url_of(known.get(dashboard.SOCKET), scheme))
    running = _of_up(state)
    return Place(running, url or _dashboard(running), state=state, root=root)


def _of_systemd(name: str, service: Unit, socket: Unit | None) -> Daemon:
    environ = environ_of(service.pid) if service.pid else None
    return Daemon(name, service.pid, environ, service, socket, units.credentials(service.name))


def _of_up(state: Path) -> tuple[Daemon, ...]:
    """The daemons of the `up` that has its data there; all that belong there, as soon as one runs."""
    found: dict[str, Daemon] = {}
    for process in sorted((one for one in PROC.iterdir() if one.name.isdecimal()), key=lambda one: int(one.name)):
        environ = environ_of(int(process.name)) or {}
        if environ.get("NOTIFY_SOCKET") == str(state / "notify"):
            words = (asking.text_of(process / "cmdline") or "").split("\0")
            name = next((one for one in DAEMONS if f"sysmonstm.{one}" in words), None)
            if name and name not in found:
                found[name] = Daemon(name, int(process.name), environ)
    return tuple(found.get(name, Daemon(name)) for name in DAEMONS) if found else ()


def environ_of(pid: int) -> dict[str, str] | None:
    """The environment that a process was started with; None if it may not be read."""
    raw = asking.text_of(PROC / str(pid) / "environ")
    return None if raw is None else dict(part.split("=", 1) for part in raw.split("\0") if "=" in part)


def _dashboard(daemons: tuple[Daemon, ...]) -> str:
    gateway = next((one for one in daemons if one.name == "gatewayd"), None)
    listen = (gateway.environ or {}).get("GATEWAY_LISTEN", "") if gateway else ""
    try:
        port = parse_address(listen.strip()).port
    except ValueError:
        port = 8000
    told = gateway.environ if gateway and gateway.environ else {}
    return f"{_scheme(told.get('GATEWAY_TLS_CERTIFICATE'))}://127.0.0.1:{port}"


def _scheme(certificate: object) -> str:
    return "https" if certificate else "http"
