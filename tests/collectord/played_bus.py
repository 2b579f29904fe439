"""A real message bus of a test's own, and on it a systemd that says what the test wants, by systemd's signatures."""

from __future__ import annotations

import asyncio
import shutil
import socket
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from sysmonstm.collectord.units.bus import MANAGER, MANAGER_PATH, PROPERTIES, SYSTEMD, UNIT, unit_name, unit_path
from tests.shared.real_server import until

LISTED = "a(ssssssouso)"


class RealBus:
    """A dbus-daemon that may be killed and started again at its address."""

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "bus"
        self.address = f"unix:path={self._socket}"
        self._process: Process | None = None

    async def start(self) -> None:
        command = shutil.which("dbus-daemon")
        if command is None:
            pytest.skip("there is no dbus-daemon; the package is called dbus")
        arguments = ("--session", "--nofork", "--nopidfile", f"--address={self.address}")
        self._process = await asyncio.create_subprocess_exec(command, *arguments, stderr=DEVNULL)
        await until("the bus listens", self._listens)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(str(self._socket)) == 0

    async def kill(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        self._socket.unlink(missing_ok=True)


@asynccontextmanager
async def real_bus(directory: Path) -> AsyncIterator[RealBus]:
    bus = RealBus(directory)
    await bus.start()
    try:
        yield bus
    finally:
        await bus.kill()


@dataclass
class PlayedUnit:
    """A unit; `own` are properties of its type's interface, `general` those of every unit."""

    active: str = "inactive"
    sub: str = "dead"
    description: str = ""
    job: int = 0
    own: dict[str, Variant] = field(default_factory=dict)
    general: dict[str, Variant] = field(default_factory=dict)


def service(
    active: str = "active", sub: str = "running", description: str = "", kind: str = "simple", restarts: int = 0
) -> PlayedUnit:
    own = {
        "Type": Variant("s", kind),
        "Result": Variant("s", "success"),
        "NRestarts": Variant("u", restarts),
        "ExecMainCode": Variant("i", 0),
        "ExecMainStatus": Variant("i", 0),
        "MainPID": Variant("u", 0),
    }
    return PlayedUnit(active, sub, description, own=own, general={"Transient": Variant("b", False)})


class PlayedSystemd:
    """What PID 1 is on the bus. Signals go out once somebody has subscribed, as with the real one."""

    def __init__(self, units: dict[str, PlayedUnit]) -> None:
        self.units = units
        # Every method that was called, for whoever wants to see that nothing is polled.
        self.asked: list[str] = []
        self.answers = True
        self.own_unit = ""
        # What happens while a list is asked for, before it is answered.
        self.before_list: Callable[[], None] = lambda: None
        self._subscribed: set[str] = set()
        self._bus: MessageBus | None = None

    async def start(self, address: str) -> None:
        self._bus = await MessageBus(bus_address=address).connect()
        self._subscribed.clear()
        self._bus.add_message_handler(self._handle)
        await self._bus.request_name(SYSTEMD)

    async def stop(self) -> None:
        if self._bus and self._bus.connected:
            self._bus.disconnect()
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    def becomes(self, name: str, active: str, sub: str, **own: Variant) -> None:
        """A unit changes."""
        unit = self.units[name]
        unit.active, unit.sub = active, sub
        unit.own |= own
        kind = name.rpartition(".")[2].capitalize()
        self._changed(name, f"{SYSTEMD}.{kind}", unit.own)
        states = {"ActiveState": Variant("s", active), "SubState": Variant("s", sub)}
        self._changed(name, UNIT, states | {"StateChangeTimestamp": Variant("t", 0)})

    def fails(self, name: str, code: int = 1, status: int = 1, result: str = "exit-code") -> None:
        self.becomes(
            name,
            "failed",
            "failed",
            Result=Variant("s", result),
            ExecMainCode=Variant("i", code),
            ExecMainStatus=Variant("i", status),
        )

    async def restarts_as_252(self, name: str, restarts: int, after: float) -> None:
        """A service is killed, and restarted by a systemd 252 after `after` seconds: recorded on Debian 12."""
        killed = {"Result": Variant("s", "signal"), "ExecMainCode": Variant("i", 2), "ExecMainStatus": Variant("i", 9)}
        self.becomes(name, "failed", "failed", **killed)
        self.becomes(name, "activating", "auto-restart")
        await asyncio.sleep(after)
        self.becomes(name, "activating", "auto-restart", NRestarts=Variant("u", restarts))
        self.becomes(name, "inactive", "dead")
        self.runs(name)

    def runs(self, name: str) -> None:
        self.becomes(name, "active", "running", Result=Variant("s", "success"))

    def loads(self, name: str, unit: PlayedUnit) -> None:
        self.units[name] = unit
        self._manager_signal("UnitNew", "so", [name, unit_path(name)])

    def unloads(self, name: str) -> None:
        del self.units[name]
        self._manager_signal("UnitRemoved", "so", [name, unit_path(name)])

    def queues(self, number: int, name: str) -> None:
        self._manager_signal("JobNew", "uos", [number, f"{MANAGER_PATH}/job/{number}", name])

    def finishes(self, number: int, name: str) -> None:
        self._manager_signal("JobRemoved", "uoss", [number, f"{MANAGER_PATH}/job/{number}", name, "done"])

    def reloading(self, under_way: bool) -> None:
        self._manager_signal("Reloading", "b", [under_way])

    def says(self, message: Message) -> None:
        """Send anything."""
        assert self._bus
        self._bus.send(message)

    def _changed(self, name: str, interface: str, properties: dict[str, Variant]) -> None:
        if self._subscribed:
            body = [interface, properties, []]
            self.says(Message.new_signal(unit_path(name), PROPERTIES, "PropertiesChanged", "sa{sv}as", body))

    def _manager_signal(self, member: str, signature: str, body: list[Any]) -> None:
        if self._subscribed:
            self.says(Message.new_signal(MANAGER_PATH, MANAGER, member, signature, body))

    def _handle(self, message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL or message.destination != SYSTEMD:
            return None
        self.asked.append(str(message.member))
        if str(message.member).startswith("ListUnits"):
            self.before_list()
        if not self.answers:
            return True
        return self._answer(message)

    def _answer(self, message: Message) -> Message:
        match message.member, message.body:
            case "Subscribe", []:
                if message.sender in self._subscribed:
                    return Message.new_error(message, f"{SYSTEMD}.AlreadySubscribed", "Client is already subscribed.")
                self._subscribed.add(str(message.sender))
                return Message.new_method_return(message)
            case "ListUnits", []:
                return Message.new_method_return(message, LISTED, [self._list(["*"])])
            case "ListUnitsByPatterns", [_, patterns]:
                return Message.new_method_return(message, LISTED, [self._list(patterns)])
            case "GetUnitByPID", [_] if self.own_unit:
                return Message.new_method_return(message, "o", [unit_path(self.own_unit)])
            case "Get", [interface, name]:
                return self._property(message, interface, name)
        return Message.new_error(message, "org.freedesktop.DBus.Error.UnknownMethod", "no such method")

    def _list(self, patterns: Sequence[str]) -> list[list[Any]]:
        return [
            [name, unit.description, "loaded", unit.active, unit.sub, "", unit_path(name), unit.job, "", "/"]
            for name, unit in self.units.items()
            if any(fnmatchcase(name, pattern) for pattern in patterns)
        ]

    def _property(self, message: Message, interface: str, name: str) -> Message:
        unit = self.units.get(unit_name(str(message.path)))
        found = (unit.general if interface == UNIT else unit.own).get(name) if unit else None
        if found is None:
            return Message.new_error(message, "org.freedesktop.DBus.Error.UnknownProperty", "no such property")
        return Message.new_method_return(message, "v", [found])


@asynccontextmanager
async def played_systemd(address: str, units: dict[str, PlayedUnit]) -> AsyncIterator[PlayedSystemd]:
    systemd = PlayedSystemd(units)
    await systemd.start(address)
    try:
        yield systemd
    finally:
        await systemd.stop()
