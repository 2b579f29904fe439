"""What a page knows by what it was told, as the dashboard's store takes it; what it could not take is an error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Reading = dict[tuple[str, str], float | None]


@dataclass
class PageView:
    """The machines with their states, facts and newest values."""

    layouts: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)

    def take(self, message: dict[str, Any]) -> None:
        """Take a message in."""
        match message["type"]:
            case "snapshot":
                self._begin(message)
            case "layout":
                self.layouts[message["id"]] = message["series"]
            case "machine":
                self._machine(message)
            case "state":
                self.states[message["machine"]] = message["state"]
            case "frames":
                for frame in message["frames"]:
                    self._frame(frame)
            case "forgotten":
                for name in message["machines"]:
                    self._forget(name)

    def _begin(self, snapshot: dict[str, Any]) -> None:
        for known in (self.layouts, self.states, self.facts, self.times, self.readings):
            known.clear()
        self.layouts |= snapshot["layouts"]
        for one in snapshot["machines"]:
            self._machine(one)

    def _machine(self, entry: dict[str, Any]) -> None:
        name = entry["machine"]
        self.states[name], self.facts[name] = entry["state"], entry["facts"]
        if entry["time"] is not None:
            self._frame(entry)

    def _frame(self, frame: dict[str, Any]) -> None:
        name, time = frame["machine"], frame["time"]
        assert name in self.states, f"a sample of {name}, which was not named"
        assert time >= self.times.get(name, 0.0), f"an older sample of {name} came after a newer one"
        self.times[name] = time
        series = self.layouts[frame["layout"]]
        pairs = zip(series, frame["values"], strict=True)
        self.readings[name] = {(one["metric"], one["instance"]): value for one, value in pairs}

    def _forget(self, name: str) -> None:
        for known in (self.states, self.facts, self.times, self.readings):
            known.pop(name, None)
