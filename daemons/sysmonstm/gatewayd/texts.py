"""The live fleet as JSON text, each machine, sample and layout encoded once for however many clients want it.

Who asks for some metrics only is shown reduced layouts: what is left of one is a layout itself, with an id of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from sysmon.v1 import bus_pb2, ingest_pb2
from sysmonstm.bus import Fleet, State
from sysmonstm.metric import Layout, Metric
from sysmonstm.wire import json_values


def number(value: float) -> float | None:
    """A value for JSON: seven digits, about what a float32 holds, and None for NaN."""
    return None if value != value else float(f"{value:.7g}")


def describe_metric(metric: Metric) -> dict[str, object]:
    """A metric as the catalogue shows it."""
    return {
        "metric": metric.name,
        "unit": metric.unit,
        "kind": metric.kind,
        "help": metric.help,
        "instance_label": metric.instance_label,
    }


def layout_text(layout: Layout) -> str:
    """A layout's series, in order, as a JSON array."""
    return json.dumps(
        [
            {
                "metric": one.metric.name,
                "instance": one.instance,
                "unit": one.metric.unit,
                "kind": one.metric.kind,
                "instance_label": one.metric.instance_label,
            }
            for one in layout.series
        ]
    )


@dataclass(frozen=True, slots=True)
class ShownLayout:
    """How samples of a layout are shown: under which id (hexadecimal), with which series (a JSON array), and which of
    their values; None is all.
    """

    id: str
    series: str
    positions: tuple[int, ...] | None = None


def shown_layout(layout: Layout, metrics: frozenset[str] | None) -> ShownLayout:
    """The layout as it is shown to who asks for these metrics; None is all."""
    if metrics is None or metrics.issuperset(layout.positions):
        return ShownLayout(layout.id.hex(), layout_text(layout))
    positions = tuple(at for at, one in enumerate(layout.series) if one.metric.name in metrics)
    reduced = Layout(tuple(layout.series[at] for at in positions))
    return ShownLayout(reduced.id.hex(), layout_text(reduced), positions)


def sample_text(frame: bus_pb2.LiveFrame, shown: ShownLayout) -> str:
    """The members "time", "received", "layout" and "values" of a sample, without braces."""
    values: Iterable[float] = frame.frame.values
    if shown.positions is not None:
        every = frame.frame.values
        values = [every[at] for at in shown.positions]
    times = f'"time":{frame.frame.time_us / 1e6},"received":{frame.received_us / 1e6}'
    return f'{times},"layout":"{shown.id}","values":{json_values(values)}'


def hello_text(hello: ingest_pb2.Hello) -> str:
    """The members of a machine that it said itself, without braces."""
    described = {
        "interval_seconds": number(hello.interval_seconds),
        "agent_version": hello.agent_version,
        "facts": dict(hello.facts),
        "tags": list(hello.tags),
    }
    return json.dumps(described)[1:-1]


NO_SAMPLE = '"time":null,"received":null,"layout":null,"values":null'


class Texts:
    """Remembers the texts of what the fleet holds now, for all who ask for the same metrics; None is all of them."""

    def __init__(self, fleet: Fleet, metrics: frozenset[str] | None = None) -> None:
        self._fleet = fleet
        self._metrics = metrics
        self._samples: dict[str, tuple[bus_pb2.LiveFrame, str]] = {}
        self._hellos: dict[str, tuple[ingest_pb2.Hello, str]] = {}
        self._layouts: dict[bytes, ShownLayout] = {}

    def forget(self) -> None:
        """The fleet was read anew: what is no longer in it need not be kept."""
        self._samples.clear()
        self._hellos.clear()
        self._layouts.clear()

    def forget_machine(self, name: str) -> None:
        """A machine is no more."""
        self._samples.pop(name, None)
        self._hellos.pop(name, None)

    def frame(self, name: str) -> str:
        """A machine's newest sample as an object of a "frames" message."""
        return f'{{"machine":{json.dumps(name)},{self._sample(name)}}}'

    def machine(self, name: str, state: State) -> str:
        """The members of a machine as a snapshot shows it, without braces."""
        hello = self._fleet.machines[name].hello
        known = self._hellos.get(name)
        if known is None or known[0] is not hello:
            known = self._hellos[name] = (hello, hello_text(hello))
        return f'"machine":{json.dumps(name)},"state":"{state}",{known[1]},{self._sample(name)}'

    def layouts(self, names: Iterable[str]) -> dict[str, ShownLayout]:
        """The layouts, by the ids that they are shown with, of these machines' newest samples."""
        frames = (self._fleet.machines[name].frame for name in names)
        used = map(self._layout, {frame.frame.layout_id for frame in frames if frame})
        return {one.id: one for one in used}

    def _layout(self, layout_id: bytes) -> ShownLayout:
        known = self._layouts.get(layout_id)
        if known is None:
            known = self._layouts[layout_id] = shown_layout(self._fleet.layouts[layout_id], self._metrics)
        return known

    def _sample(self, name: str) -> str:
        frame = self._fleet.machines[name].frame
        if frame is None:
            return NO_SAMPLE
        known = self._samples.get(name)
        if known is None or known[0] is not frame:
            known = self._samples[name] = (frame, sample_text(frame, self._layout(frame.frame.layout_id)))
        return known[1]


def frames_text(frames: Iterable[str], *, skipped: bool = False) -> str:
    """A message of samples that are texts already; `skipped` says that there were others before, which never come."""
    members = '"skipped":true,' if skipped else ""
    return f'{{"type":"frames",{members}"frames":[{",".join(frames)}]}}'
