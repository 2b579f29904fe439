"""Settings of a running daemon, changed for the length of a test as people change them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.machine.machine import Machine, eventually


def said(machine: Machine, daemon: str, event: str, since: str) -> list[dict[str, str]]:
    """What a daemon has logged of an event."""
    entries = machine.journal(f"--since={since}", f"--unit=sysmon-{daemon}")
    return [entry for entry in entries if f'"event": "{event}"' in entry["MESSAGE"]]


def reload(machine: Machine, daemon: str, event: str = "reload.done") -> dict[str, str]:
    """`systemctl reload`, and what the daemon says of it: the journal entry of the event."""
    since = machine.now()
    machine.run("systemctl", "reload", f"sysmon-{daemon}.service")
    return eventually(f"{daemon} says {event}", lambda: said(machine, daemon, event, since) or None)[-1]


@contextmanager
def changed(machine: Machine, daemon: str, old: str, new: str, event: str = "reload.done") -> Iterator[dict[str, str]]:
    """While the block runs, the daemon's file has `new` for `old`; yields what it said of that."""
    file = machine.path(f"/etc/sysmonstm/{daemon}.toml")
    before = file.read_text()
    assert before.count(f"\n{old}\n") == 1
    file.write_text(before.replace(f"\n{old}\n", f"\n{new}\n"))
    try:
        yield reload(machine, daemon, event)
    finally:
        file.write_text(before)
        reload(machine, daemon)
