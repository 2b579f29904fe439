"""The live fleet as JSON text, each machine, sample and layout encoded once for however many clients want it."""

from __future__ import annotations

import json
from collections.abc import Iterable

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


def sample_text(frame: bus_pb2.LiveFrame) -> str:
    """The members "time", "received", "layout" and "values" of a sample, without braces."""
    sample = frame.frame
    times = f'"time":{sample.time_us / 1e6},"received":{frame.received_us / 1e6}'
    return f'{times},"layout":"{sample.layout_id.hex()}","values":{json_values(sample.values)}'


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
    """Remembers the texts of what the fleet holds now."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._samples: dict[str, tuple[bus_pb2.LiveFrame, str]] = {}
        self._hellos: dict[str, tuple[ingest_pb2.Hello, str]] = {}
        self._layouts: dict[bytes, str] = {}

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

    def layout(self, layout_id: bytes) -> str:
        """A layout's series as a JSON array."""
        known = self._layouts.get(layout_id)
        if known is None:
            known = self._layouts[layout_id] = layout_text(self._fleet.layouts[layout_id])
        return known

    def _sample(self, name: str) -> str:
        frame = self._fleet.machines[name].frame
        if frame is None:
            return NO_SAMPLE
        known = self._samples.get(name)
        if known is None or known[0] is not frame:
            known = self._samples[name] = (frame, sample_text(frame))
        return known[1]


def message(kind: str, **members: object) -> str:
    """A WebSocket message of this type."""
    return json.dumps({"type": kind, **members})


def frames_message(frames: Iterable[str]) -> str:
    """A message of samples that are texts already."""
    return f'{{"type":"frames","frames":[{",".join(frames)}]}}'
