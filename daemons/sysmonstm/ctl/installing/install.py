"""`sysmonctl install` and `uninstall`: make services of this installation, on a hub or on a machine that it watches."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from sysmonstm.config import UserError
from sysmonstm.ctl.installing import stores
from sysmonstm.ctl.installing.checks import check_machine, check_reachable, this_installation
from sysmonstm.ctl.installing.enable import disable, enable, reload, start
from sysmonstm.ctl.installing.files import State, state, take_away
from sysmonstm.ctl.installing.ports import release_port, reserve_port
from sysmonstm.ctl.installing.settings import (
    Value,
    has_credential,
    make_settings_directory,
    put_settings,
    set_in,
    settings_file,
    take_settings_directory_away,
)
from sysmonstm.ctl.installing.steps import Steps
from sysmonstm.ctl.installing.units import (
    COLLECTOR,
    HUB,
    PORTS,
    listen_drop_in,
    put_listen_address,
    put_units,
    take_units_away,
)

HUB_SOCKET = "unix:/run/sysmon/aggregatord.sock"
_BARE_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a machine is to become: `role` is "hub" or "machine".

    A machine sends to `hub`. A hub is reached by others at the address `listen`, as before if it is not said.
    """

    role: str
    hub: str | None = None
    listen: str | None = None
    now: bool = False

    @property
    def daemons(self) -> tuple[str, ...]:
        """Those that run there; a hub watches itself too."""
        return HUB if self.role == "hub" else (COLLECTOR,)


def install(wish: Wish, steps: Steps) -> None:
    """Bring the machine to what is wished; UserError, with nothing done, where something is missing for it."""
    place = this_installation()
    if not steps.elsewhere:
        check_machine(steps.dry)
        check_reachable(place)
    settings = _settings(wish, steps)
    listen = _listen_host(wish)
    if wish.role == "hub":
        _check_stores(steps)
    new = put_units(steps, wish.daemons, place)
    make_settings_directory(steps)
    if listen:
        put_listen_address(steps, listen)
    enable(steps, wish.daemons, new)
    if wish.role == "hub":
        reserve_port(steps)
        settings |= _put_stores(steps)
    for daemon in wish.daemons:
        put_settings(steps, daemon, place.scripts, settings.get(daemon, {}))
    if not steps.taken:
        steps.say("all is as it should be; nothing was changed")
    if wish.now and not steps.elsewhere:
        start(steps)
    _say_what_next(wish, steps)


def uninstall(steps: Steps) -> None:
    """Stop the services and take away what `install` has written and nobody has edited; data stay."""
    if not steps.elsewhere:
        check_machine(steps.dry)
    disable(steps, HUB)
    take_units_away(steps)
    release_port(steps)
    for daemon in HUB:
        take_away(steps, settings_file(daemon))
    take_settings_directory_away(steps)
    reload(steps)
    steps.say(
        "kept: samples that wait in /var/lib/private/sysmonstm, the database sysmon (as postgres: DROP DATABASE "
        "sysmon), the group sysmon and the account sysmon-collectord"
    )


def _settings(wish: Wish, steps: Steps) -> dict[str, dict[str, Value]]:
    """What the collector must be told; UserError if the wish does not say."""
    if wish.role == "hub":
        if wish.hub:
            raise UserError("a hub's own collector sends to the hub itself; leave --hub away, or say --role machine")
        return {COLLECTOR: {"aggregator_url": [HUB_SOCKET]}}
    if wish.listen:
        raise UserError("nothing listens on a machine that only sends; leave --listen away, or say --role hub")
    if wish.hub:
        return {COLLECTOR: {"aggregator_url": [_with_port(wish.hub)]}}
    if "aggregator_url" not in set_in(steps, COLLECTOR):
        raise UserError("where is the hub? Say --hub HOST or --hub HOST:PORT")
    return {}


def _with_port(hub: str) -> str:
    """`host:port`; the daemon itself checks the rest."""
    return f"{hub}:{PORTS['aggregatord']}" if _BARE_HOST.fullmatch(hub) else hub


def _listen_host(wish: Wish) -> str | None:
    """The address in --listen, without brackets; UserError if it is none."""
    if not wish.listen:
        return None
    try:
        return str(ipaddress.ip_address(wish.listen.strip("[]")))
    except ValueError:
        raise UserError(
            "--listen is an address of this machine, such as 192.0.2.7, or 0.0.0.0 or [::] for all of them; ports are "
            + " and ".join(map(str, PORTS.values()))
        ) from None


def _check_stores(steps: Steps) -> None:
    """Before anything is done: what is to be used is there."""
    if not steps.elsewhere:
        given = {name: has_credential(steps, name) for name in ("redis_url", "timescale_url")}
        stores.check_stores(redis=not given["redis_url"], postgres=not given["timescale_url"])


def _put_stores(steps: Steps) -> dict[str, dict[str, Value]]:
    """The database, and what each daemon must be told of it. Whoever names one as a credential has his own."""
    if has_credential(steps, "timescale_url"):
        return {}
    if steps.elsewhere:
        steps.say("the database is made when this is run on the machine itself")
        return {}
    stores.put_database(steps)
    return {
        account.removeprefix("sysmon-"): {"timescale_url": stores.database_address(account)}
        for account in stores.ACCOUNTS
    }


def _say_what_next(wish: Wish, steps: Steps) -> None:
    if steps.dry:
        return
    if steps.taken and (not wish.now or steps.elsewhere):
        steps.say("next: systemctl restart sysmon.target" + (", once that machine runs" if steps.elsewhere else ""))
    steps.say("how it goes: systemctl status 'sysmon-*'; journalctl -u 'sysmon-*'")
    if wish.role == "machine":
        steps.say("the hub's dashboard shows this machine within seconds")
        return
    steps.say(f"the dashboard: http://{wish.listen or '127.0.0.1'}:8000")
    if state(steps.at(listen_drop_in("gatewayd"))) is State.ABSENT:
        steps.say(
            "others cannot reach the hub yet: sysmonctl install --role hub --listen ADDRESS opens it; without "
            "certificates (see the README) that is for networks that you trust"
        )
    steps.say("on each machine to watch: sysmonctl install --role machine --hub ADDRESS --now")
