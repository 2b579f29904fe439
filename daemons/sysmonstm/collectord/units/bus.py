"""Systemd on the system bus: a connection, the calls that are needed of its manager, and its signals as values."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from dbus_fast import (
    AuthError,
    BusType,
    DBusError,
    InvalidAddressError,
    InvalidMessageError,
    InvalidSignatureError,
    Message,
    MessageType,
    SignatureBodyMismatchError,
    Variant,
)
from dbus_fast.aio import MessageBus

from sysmonstm.collectord.units.known import Listed
from sysmonstm.collectord.units.state import Details, State

SYSTEMD = "org.freedesktop.systemd1"
MANAGER_PATH = "/org/freedesktop/systemd1"
UNIT_PATH = MANAGER_PATH + "/unit"
MANAGER = SYSTEMD + ".Manager"
UNIT = SYSTEMD + ".Unit"
SERVICE = SYSTEMD + ".Service"
PROPERTIES = "org.freedesktop.DBus.Properties"
BUS = "org.freedesktop.DBus"
BUS_PATH = "/org/freedesktop/DBus"

# What a bus that is none, or goes away, shows as. The library's errors have a class in common only since its version 5.
FAULTS = (
    *(AuthError, DBusError, InvalidAddressError),
    *(InvalidMessageError, InvalidSignatureError, SignatureBodyMismatchError),
    *(OSError, EOFError),
)

# PID 1 answers in milliseconds, unless it is stuck.
CALL_SECONDS = 10.0

# Each change of a unit is sent once for its type's interface and once for the general one: the latter is enough, but
# for services that systemd lets go of as soon as they have failed. What is not matched here the bus keeps to itself.
_MANAGER_SIGNALS = ("UnitNew", "UnitRemoved", "JobNew", "JobRemoved", "Reloading")
MATCHES = (
    f"type='signal',sender='{SYSTEMD}',interface='{PROPERTIES}',member='PropertiesChanged',"
    f"path_namespace='{UNIT_PATH}',arg0='{UNIT}'",
    f"type='signal',sender='{SYSTEMD}',interface='{PROPERTIES}',member='PropertiesChanged',"
    f"path_namespace='{UNIT_PATH}',arg0='{SERVICE}'",
    *(
        f"type='signal',sender='{SYSTEMD}',interface='{MANAGER}',member='{member}',path='{MANAGER_PATH}'"
        for member in _MANAGER_SIGNALS
    ),
    f"type='signal',sender='{BUS}',interface='{BUS}',member='NameOwnerChanged',arg0='{SYSTEMD}'",
)

_ESCAPED = re.compile(r"_([0-9a-fA-F]{2})")


class BusError(Exception):
    """The bus or systemd on it cannot be had, or does not answer. The sentence says why."""


class RefusedError(BusError):
    """Systemd has answered a call with an error: there is no such unit any more, say."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A unit is in this state now."""

    name: str
    state: State


@dataclass(frozen=True, slots=True)
class Ended:
    """A service has not ended well; why."""

    name: str
    details: Details


@dataclass(frozen=True, slots=True)
class Appeared:
    """A unit was loaded, and is in whatever state."""

    name: str


@dataclass(frozen=True, slots=True)
class Removed:
    """Systemd has let go of a unit."""

    name: str


@dataclass(frozen=True, slots=True)
class JobAdded:
    """A job was queued."""

    number: int


@dataclass(frozen=True, slots=True)
class JobRemoved:
    """A job has ended, or was cancelled."""

    number: int


@dataclass(frozen=True, slots=True)
class Reloading:
    """Systemd loads all units anew; what it says of them meanwhile means nothing. `under_way` is False at the end."""

    under_way: bool


@dataclass(frozen=True, slots=True)
class Replaced:
    """Systemd has come to the bus, or has left it."""

    is_there: bool


News: TypeAlias = Changed | Ended | Appeared | Removed | JobAdded | JobRemoved | Reloading | Replaced


class SystemdBus:
    """A connection to the system bus, for as long as `connected` lasts."""

    def __init__(self, bus: MessageBus) -> None:
        """`connected` makes one."""
        self._bus = bus

    async def ended(self) -> str:
        """Wait for the connection to end; why it has."""
        try:
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # it gives nothing
        # The library hands on whatever a socket or its parser has raised.
        except Exception as error:  # noqa: BLE001
            return f"the connection to the bus was lost: {error!r}"
        return "the connection to the bus was lost"

    async def subscribe(self) -> None:
        """Have systemd send signals to this connection."""
        for rule in MATCHES:
            await self._call(BUS, BUS_PATH, BUS, "AddMatch", "s", [rule])
        await self.subscribe_anew()

    async def subscribe_anew(self) -> None:
        """The same for a systemd that has taken the place of another."""
        try:
            await self._call(SYSTEMD, MANAGER_PATH, MANAGER, "Subscribe")
        except RefusedError as error:
            # It remembers subscribers when it re-executes itself.
            if "AlreadySubscribed" not in str(error):
                raise

    async def units(self) -> list[Listed]:
        """All units that are loaded."""
        return _listed(await self._call(SYSTEMD, MANAGER_PATH, MANAGER, "ListUnits"))

    async def units_named(self, names: Sequence[str]) -> list[Listed]:
        """Those of these units that are loaded; to ask does not load any."""
        body = [[], list(names)]
        return _listed(await self._call(SYSTEMD, MANAGER_PATH, MANAGER, "ListUnitsByPatterns", "asas", body))

    async def property(self, unit: str, interface: str, name: str) -> object:
        """A property of a unit; RefusedError if there is no such unit or property."""
        (value,) = await self._call(SYSTEMD, unit_path(unit), PROPERTIES, "Get", "ss", [interface, name])
        return value.value if isinstance(value, Variant) else value

    async def unit_of(self, pid: int) -> str:
        """The unit that a process is of; RefusedError if it is of none."""
        (path,) = await self._call(SYSTEMD, MANAGER_PATH, MANAGER, "GetUnitByPID", "u", [pid])
        return unit_name(path)

    async def _call(
        self, destination: str, path: str, interface: str, member: str, signature: str = "", body: Sequence[object] = ()
    ) -> list[Any]:
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
        )
        try:
            async with asyncio.timeout(CALL_SECONDS):
                reply = await self._bus.call(message)
        except TimeoutError:
            raise BusError(f"{member} was not answered within {CALL_SECONDS:.0f} s") from None
        except FAULTS as error:
            raise BusError(f"{member} failed: {error!r}") from None
        if reply.message_type is MessageType.ERROR:
            raise RefusedError(f"{member} was refused: {reply.error_name} {' '.join(map(str, reply.body))}")
        return list(reply.body)


@asynccontextmanager
async def connected(told: Callable[[News], None]) -> AsyncIterator[SystemdBus]:
    """A connection to the bus at DBUS_SYSTEM_BUS_ADDRESS, else the usual one; BusError if there is none.

    `told` is called with what systemd signals, once subscribed.
    """
    try:
        async with asyncio.timeout(CALL_SECONDS):
            bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    except TimeoutError:
        raise BusError(f"the bus does not answer within {CALL_SECONDS:.0f} s") from None
    except FAULTS as error:
        raise BusError(f"the bus cannot be had: {error!r}") from None

    def heard(message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and (news := news_of(message)) is not None:
            told(news)

    bus.add_message_handler(heard)
    try:
        yield SystemdBus(bus)
    finally:
        bus.disconnect()


def news_of(signal: Message) -> News | None:
    """What a signal says; None for one that says nothing of interest."""
    match signal.member, signal.body:
        case "PropertiesChanged", [_, dict(changed), *_] if "ActiveState" in changed:
            state = State(_text(changed["ActiveState"]), _text(changed.get("SubState")))
            return Changed(unit_name(signal.path or ""), state)
        case "PropertiesChanged", [_, dict(changed), *_] if _text(changed.get("Result")) not in ("", "success"):
            return Ended(unit_name(signal.path or ""), _details(changed))
        case "UnitNew", [str(name), *_]:
            return Appeared(name)
        case "UnitRemoved", [str(name), *_]:
            return Removed(name)
        case "JobNew", [int(number), *_]:
            return JobAdded(number)
        case "JobRemoved", [int(number), *_]:
            return JobRemoved(number)
        case "Reloading", [bool(under_way)]:
            return Reloading(under_way)
        case "NameOwnerChanged", [str(name), _, str(owner)] if name == SYSTEMD:
            return Replaced(bool(owner))
    return None


def unit_path(name: str) -> str:
    """The object of a unit: everything but letters and digits is escaped, a digit that comes first too."""
    escaped = [
        char if char.isascii() and char.isalnum() and not (index == 0 and char.isdigit()) else _escape(char)
        for index, char in enumerate(name)
    ]
    return f"{UNIT_PATH}/{''.join(escaped) or '_'}"


def unit_name(path: str) -> str:
    """The unit of an object."""
    raw = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), path.rpartition("/")[2])
    return raw.encode("latin-1", "replace").decode(errors="replace")


def _escape(char: str) -> str:
    return "".join(f"_{byte:02x}" for byte in char.encode(errors="surrogatepass"))


def _text(value: object) -> str:
    inner = value.value if isinstance(value, Variant) else value
    return inner if isinstance(inner, str) else ""


def _details(changed: dict[str, Any]) -> Details:
    code, status = (_number(changed.get(name)) for name in ("ExecMainCode", "ExecMainStatus"))
    return Details(_text(changed["Result"]), code, status)


def _number(value: object) -> int:
    inner = value.value if isinstance(value, Variant) else value
    return inner if isinstance(inner, int) else 0


def _listed(body: list[Any]) -> list[Listed]:
    (rows,) = body
    return [
        Listed(name, description, State(active, sub), job_id)
        for name, description, _, active, sub, _, _, job_id, _, _ in rows
    ]
