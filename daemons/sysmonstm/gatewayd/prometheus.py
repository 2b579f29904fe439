"""The fleet's newest values, and the gateway's own counts, as Prometheus text (exposition format 0.0.4).

`cpu.percent` of unit percent becomes sysmon_cpu_percent{machine="…"}, `disk.read` of unit bytes/s
sysmon_disk_read_bytes_per_second{machine="…",device="…"}. All are gauges: rates are means since the sample before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from sysmonstm.gatewayd.counts import Counts
from sysmonstm.metric import Layout, Metric, Series, Unit

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

SUFFIXES: dict[str, str] = {
    Unit.PERCENT: "percent",
    Unit.BYTES: "bytes",
    Unit.BYTES_PER_SECOND: "bytes_per_second",
    Unit.SECONDS: "seconds",
    Unit.COUNT: "",
    Unit.COUNT_PER_SECOND: "per_second",
}

COUNT_HELP = {
    "requests": "HTTP requests taken",
    "failures": "HTTP requests that failed by a bug",
    "bus_away": "Times that Redis went away",
    "websocket_messages": "Messages sent to WebSocket clients",
    "websocket_frames_skipped": "Samples that a WebSocket client was too slow for, replaced by newer ones",
    "websocket_events_lost": "Events that a WebSocket client was too slow for",
    "websocket_clients_dropped": "WebSocket clients let go of because they took nothing or did not answer",
    "websocket_held_back": "Times that a WebSocket client had to wait as too much was unsent to all together",
}


@dataclass(slots=True)
class Group:
    """All lines of one metric; the format wants them together."""

    kind: str
    help: str
    lines: dict[str, str]

    def text(self, name: str) -> str:
        """The lines, after what they mean."""
        head = f"# HELP {name} {escape_help(self.help)}\n# TYPE {name} {self.kind}\n"
        return head + "".join(f"{name}{labels} {value}\n" for labels, value in self.lines.items())


class Exposition:
    """Collects lines by metric. A series that is given twice is shown once, or Prometheus would refuse everything."""

    def __init__(self) -> None:
        self._groups: dict[str, Group] = {}

    def add_machine(self, machine: str, *, up: bool) -> None:
        """Whether a machine's samples come."""
        self._add(
            "sysmon_up", "gauge", "1 if the machine's samples come", f"{{{_label('machine', machine)}}}", str(int(up))
        )

    def add_sample(self, machine: str, layout: Layout, values: Sequence[float]) -> None:
        """A machine's values; those that were not read are left out."""
        label = _label("machine", machine)
        for series, value in zip(layout.series, values, strict=True):
            if value == value:
                metric = series.metric
                self._add(metric_name(metric), "gauge", metric.help, _labels(label, series), f"{value:.7g}")

    def add_counts(self, counts: Counts, clients: int, unsent: int, *, live: bool) -> None:
        """What the gateway says of itself. No metric of a machine can have these names: they lack the prefix."""
        for field in fields(counts):
            name = f"gatewayd_{field.name}_total"
            self._add(name, "counter", COUNT_HELP[field.name], "", str(getattr(counts, field.name)))
        self._add("gatewayd_websocket_clients", "gauge", "WebSocket clients connected now", "", str(clients))
        self._add(
            "gatewayd_websocket_unsent_bytes", "gauge", "What slow WebSocket clients have yet to take", "", str(unsent)
        )
        self._add("gatewayd_live", "gauge", "1 if the fleet is as Redis has it now", "", str(int(live)))

    def text(self) -> str:
        """All of it."""
        return "".join(group.text(name) for name, group in self._groups.items())

    def _add(self, name: str, kind: str, help_text: str, labels: str, value: str) -> None:
        group = self._groups.get(name)
        if group is None:
            group = self._groups[name] = Group(kind, help_text, {})
        group.lines.setdefault(labels, value)


def metric_name(metric: Metric) -> str:
    """The metric's name for Prometheus, with its unit at the end unless it ends so already."""
    plain = f"sysmon_{metric.name.replace('.', '_')}"
    # A collector of another version may have units that this one does not know.
    suffix = SUFFIXES.get(metric.unit, metric.unit.replace("/", "_per_").strip("_"))
    return plain if not suffix or plain.endswith(f"_{suffix}") else f"{plain}_{suffix}"


def escape_help(text: str) -> str:
    """For a HELP line."""
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def escape_label(text: str) -> str:
    """For a label's value."""
    return escape_help(text).replace('"', '\\"')


def _labels(machine: str, series: Series) -> str:
    name = series.metric.instance_label
    if not name:
        # Instances without a label's name must stay apart all the same.
        name = "instance_name" if series.instance else ""
    elif name == "machine":
        name = "instance_machine"
    return f"{{{machine},{_label(name, series.instance)}}}" if name else f"{{{machine}}}"


def _label(name: str, value: str) -> str:
    return f'{name}="{escape_label(value)}"'
