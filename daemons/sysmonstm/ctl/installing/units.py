"""The unit files as they belong on a machine: which of them, where, and with the paths of this installation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sysmonstm.ctl.installing.files import put, take_away
from sysmonstm.ctl.installing.steps import Steps, run
from sysmonstm.listen import Address
from sysmonstm.resources import resource

# systemd.unit(5): /usr/lib is the package manager's and /etc the administrator's, where `systemctl edit` puts changes
# that these updates then leave alone; /usr/local/lib is for what is installed without a package.
UNITS = Path("/usr/local/lib/systemd/system")
OVERRIDES = Path("/etc/systemd/system")
CATALOGUE = Path("/usr/local/lib/systemd/catalog/sysmonstm.catalog")
SYSUSERS = Path("/usr/local/lib/sysusers.d/sysmonstm.conf")
SINCE = "since-254"
SINCE_VERSION = 254

COLLECTOR = "collectord"
HUB = ("aggregatord", "gatewayd", "alertd", COLLECTOR)
TARGET = "sysmon.target"
LISTEN_DROP_IN = "listen.conf"
PORTS = {"aggregatord": 50051, "gatewayd": 8000}
LISTENING = tuple(f"sysmon-{daemon}.socket" for daemon in PORTS)
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - told apart, not bound


@dataclass(frozen=True, slots=True)
class Place:
    """Where this installation is: `scripts` holds its executables, `readme` is its manual."""

    scripts: Path
    readme: Path

    def fill_in(self, text: str) -> str:
        """A unit file with these paths for those of a distribution's package."""
        return text.replace("/usr/bin/sysmon-", f"{self.scripts}/sysmon-").replace(
            "file:///usr/share/doc/sysmonstm/README.md", f"file://{self.readme}"
        )


def systemd_version() -> int:
    """Such as 257; UserError without systemd."""
    return int(run(["systemctl", "--version"]).split()[1].partition(".")[0].partition("~")[0])


def unit_names(daemons: tuple[str, ...]) -> list[str]:
    """What is enabled, in the order in which it is said."""
    sockets = [f"sysmon-{daemon}.socket" for daemon in daemons]
    return [TARGET, *sockets, *(f"sysmon-{daemon}.service" for daemon in daemons)]


def files(daemons: tuple[str, ...], version: int) -> dict[Path, Path]:
    """Where each file of units/ belongs on a machine with these daemons and this version of systemd."""
    source = resource("units")
    found = {UNITS / name: source / name for name in [*unit_names(daemons), "sysmon.slice"]}
    newer = source / SINCE
    if version >= SINCE_VERSION:
        found |= {UNITS / file.relative_to(newer): file for file in newer.rglob("*.conf")}
    return found | {SYSUSERS: source / "sysmonstm.sysusers", CATALOGUE: source / "sysmonstm.catalog"}


def put_units(steps: Steps, daemons: tuple[str, ...], place: Place) -> set[str]:
    """Bring them up to date, with the group and the catalogue; the names of the units that were not there."""
    wanted = files(daemons, systemd_version())
    new = {path.name for path in wanted if not steps.at(path).exists()}
    changed = {path for path, source in wanted.items() if put(steps, path, place.fill_in(source.read_text()))}
    if SYSUSERS in changed:
        steps.command(
            "make the group sysmon and the account sysmon-collectord",
            "systemd-sysusers",
            *_tree(steps),
            steps.at(SYSUSERS),
        )
    if CATALOGUE in changed:
        _update_catalogue(steps)
    return new


def _update_catalogue(steps: Steps) -> None:
    steps.command("update the journal's catalogue", "journalctl", *_tree(steps), "--update-catalog")


def _tree(steps: Steps) -> list[str]:
    return [f"--root={steps.root}"] if steps.elsewhere else []


def put_listen_address(steps: Steps, host: str) -> None:
    """Have the hub's sockets listen at this address and at the loopback one."""
    for daemon, port in PORTS.items():
        put(steps, listen_drop_in(daemon), listen_text(daemon, host, port))


def listen_drop_in(daemon: str) -> Path:
    """The file that says where a daemon's socket listens on this machine."""
    return OVERRIDES / f"sysmon-{daemon}.socket.d" / LISTEN_DROP_IN


def listen_text(daemon: str, host: str, port: int) -> str:
    """The drop-in of a socket; `host` has no brackets."""
    listens = [str(Address(host, port))]
    if host not in WILDCARDS:
        listens.append(str(Address("127.0.0.1", port)))
    listens.append(f"/run/sysmon/{daemon}.sock")
    lines = "\n".join(f"ListenStream={one}" for one in listens)
    return f"[Socket]\nListenStream=\n{lines}\n# The address may come up later than the socket.\nFreeBind=yes\n"


def take_units_away(steps: Steps) -> None:
    """Remove all that put_units and put_listen_address may have written."""
    for path in files(HUB, SINCE_VERSION):
        take_away(steps, path)
    if f"remove {CATALOGUE}" in steps.taken:
        _update_catalogue(steps)
    for daemon in PORTS:
        take_away(steps, listen_drop_in(daemon))
