"""What is read of a unit that has changed: the properties that answer what has to be known of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sysmonstm.collectord.units.state import Details, Questions

if TYPE_CHECKING:
    from sysmonstm.collectord.units.bus import SystemdBus

UNIT = "org.freedesktop.systemd1.Unit"
# Which types of units have a result, by the ends of their names. Other types cannot fail, but for not being found.
TYPES_WITH_RESULT = ("service", "socket", "mount", "automount", "swap", "timer", "path", "scope")


def interface_of(name: str) -> str:
    """The interface of a unit's own type; empty if it has nothing that is asked for."""
    kind = name.rpartition(".")[2]
    return f"org.freedesktop.systemd1.{kind.capitalize()}" if kind in TYPES_WITH_RESULT else ""


async def details(bus: SystemdBus, name: str, asked: Questions) -> Details:
    """The answers; BusError if systemd does not give them."""
    own = interface_of(name)
    is_service = name.endswith(".service")

    async def number(property_name: str) -> int:
        value = await bus.property(name, own, property_name)
        return value if isinstance(value, int) else 0

    return Details(
        result=str(await bus.property(name, own, "Result")) if asked.failure and own else "",
        code=await number("ExecMainCode") if asked.failure and is_service else 0,
        status=await number("ExecMainStatus") if asked.failure and is_service else 0,
        restarts=await number("NRestarts") if asked.restarts else None,
        lasting=await _lasts(bus, name, own) if asked.nature else None,
    )


async def _lasts(bus: SystemdBus, name: str, own: str) -> bool:
    if await bus.property(name, own, "Type") == "oneshot":
        return False
    return not await bus.property(name, UNIT, "Transient")
