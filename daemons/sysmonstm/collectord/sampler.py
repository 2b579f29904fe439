"""Takes a sample: reads all probes in worker threads and puts what they yield into one layout.

One thread reads the probes one after the other, as that costs a quarter of waking a thread for each. When a probe keeps
it waiting, another thread takes over the rest, so that a probe that hangs costs only itself: as many threads as hang,
and one more.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
import traceback
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm import logs
from sysmonstm.collectord.probe import PROBE_DURATION, PROBE_SUCCESS, Probe, series_of
from sysmonstm.collectord.worker import Worker
from sysmonstm.metric import Layout, Metric, Series

log = logs.logger(__name__)

# Of the deadline: how long a thread may be held up before another one reads the probes that wait behind it.
PATIENCE = 0.05


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: its time in microseconds since 1970, and a value for each series of the layout (NaN: not read).

    `events` are what happened since the sample before, in order.
    """

    time_us: int
    layout: Layout
    values: list[float]
    events: tuple[pb.Event, ...] = ()


@dataclass(frozen=True, slots=True)
class _Shape:
    """Which series a probe yields, in order. Metrics and instances run in parallel and are quick to compare."""

    metrics: tuple[Metric, ...]
    instances: tuple[str, ...]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What one probe gave: a value for each series of its shape, and how many seconds that took."""

    shape: _Shape
    values: Sequence[float]
    seconds: float
    error: Exception | None = None


class _Source:
    """A probe and the shape of what it yielded last, so that a failure leaves the layout as it is."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        # Set while a thread is in it, however long ago the sample was given up.
        self.being_read = False
        # A probe that has never been read has at least the series that have no instance.
        single = tuple(metric for metric in probe.metrics if not metric.instance_label)
        self._shape = self._shaped(single, ("",) * len(single))
        self._failing = False

    def read(self) -> _Reading:
        """Ask the probe. Runs in a worker's thread."""
        started = time.monotonic()
        try:
            rows = list(self.probe.read(started))
            metrics, instances, values = zip(*rows, strict=True) if rows else ((), (), ())
            shape = self._shape
            if metrics != shape.metrics or instances != shape.instances:
                shape = self._shaped(metrics, instances)
        # Probes are many and read what hardware, drivers and other people's kernels say. Whatever goes wrong in one
        # costs its own values only; the failure is in the log, with its traceback, and in probe.success.
        except Exception as error:  # noqa: BLE001
            return self._failed(error, time.monotonic() - started)
        return _Reading(shape, values, time.monotonic() - started)

    def settle(self, reading: _Reading | None) -> _Reading:
        """The probe's part of the sample; None is no answer in time. Logs when failing starts and when it ends."""
        if reading is None:
            reading = self._failed(TimeoutError("no answer before the deadline"), math.nan)
        self._shape = reading.shape
        if (reading.error is not None) != self._failing:
            self._failing = not self._failing
            _log_change(self.probe.name, reading.error)
        return reading

    def _shaped(self, metrics: tuple[Metric, ...], instances: tuple[str, ...]) -> _Shape:
        return _Shape(metrics, instances, series_of(self.probe, metrics, instances))

    def _failed(self, error: Exception, seconds: float) -> _Reading:
        return _Reading(self._shape, (math.nan,) * len(self._shape.series), seconds, error)


def _log_change(probe: str, error: Exception | None) -> None:
    if error is None:
        log.info("probe.recovered", f"the probe {probe} reads again", probe=probe)
    else:
        # What a system call says needs no traceback.
        trace = {} if isinstance(error, OSError) else {"traceback": "".join(traceback.format_exception(error))}
        log.warning("probe.failing", f"the probe {probe} fails: {error}", probe=probe, error=repr(error), **trace)


class _Round:
    """The readings of one sample: gathered in workers' threads, which wake the event loop once, after the last."""

    def __init__(self, sources: Iterable[_Source]) -> None:
        self._lock = threading.Lock()
        self._open = True
        self._waiting = deque(source for source in sources if not source.being_read)
        self._missing = len(self._waiting)
        self._readings: dict[_Source, _Reading] = {}
        self._loop = asyncio.get_running_loop()
        self._complete = asyncio.Event()

    @property
    def expects(self) -> bool:
        """Whether there are readings to wait for."""
        return self._missing > 0

    @property
    def waiting(self) -> bool:
        """Whether there are sources that no thread has started to read."""
        return bool(self._waiting)

    def read(self) -> None:
        """Read sources until none waits. Runs in a worker's thread, or in several."""
        while (source := self._next()) is not None:
            reading = source.read()
            with self._lock:
                source.being_read = False
                # What comes after the end is lost with this round: nobody looks at it any more.
                self._readings[source] = reading
                self._missing -= 1

    def end_of_thread(self, _: None) -> None:
        """A worker's thread has left `read` and is free again."""
        with self._lock:
            if self._open and not self._missing:
                self._loop.call_soon_threadsafe(self._complete.set)

    async def complete_within(self, seconds: float) -> bool:
        """Whether all readings are here, at the latest after so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._complete.wait()
        except TimeoutError:
            return False
        return True

    def end(self) -> dict[_Source, _Reading]:
        """Start and take no more; what has come."""
        with self._lock:
            self._open = False
            return self._readings

    def _next(self) -> _Source | None:
        with self._lock:
            if not self._open or not self._waiting:
                return None
            source = self._waiting.popleft()
            source.being_read = True
            return source


class Sampler:
    """Takes samples of this machine by the given probes, whose names differ. One sample at a time."""

    def __init__(self, probes: Sequence[Probe], deadline: float) -> None:
        """`deadline` is how long, in seconds, a sample waits for its probes; it may be changed between samples."""
        self.deadline = deadline
        self._sources = [_Source(probe) for probe in probes]
        self._workers: list[Worker[None]] = []
        names = [probe.name for probe in probes]
        self._own_series = tuple(Series(metric, name) for metric in (PROBE_SUCCESS, PROBE_DURATION) for name in names)
        self._shapes: list[_Shape] = []
        self._layout = Layout(self._own_series)

    async def sample(self) -> Sample:
        """Ask every probe that is not still hanging, and wait until all have answered or the deadline has passed."""
        time_us = time.time_ns() // 1000
        current = _Round(self._sources)
        try:
            await self._gather(current)
        finally:
            readings = current.end()
        return self._assembled(time_us, [source.settle(readings.get(source)) for source in self._sources])

    def close(self) -> None:
        """Let the threads end. One that hangs is left to itself."""
        for worker in self._workers:
            worker.close()

    async def _gather(self, current: _Round) -> None:
        end = time.monotonic() + self.deadline
        while current.expects and (left := end - time.monotonic()) > 0:
            if current.waiting:
                self._idle_worker().offer(current.read, current.end_of_thread)
            if await current.complete_within(min(self.deadline * PATIENCE, left)):
                return

    def _idle_worker(self) -> Worker[None]:
        for worker in self._workers:
            if not worker.busy:
                return worker
        self._workers.append(Worker(f"probes {len(self._workers)}"))
        return self._workers[-1]

    def _assembled(self, time_us: int, readings: Sequence[_Reading]) -> Sample:
        values = [value for reading in readings for value in reading.values]
        values += [float(reading.error is None) for reading in readings]
        values += [reading.seconds for reading in readings]
        shapes = [reading.shape for reading in readings]
        if shapes != self._shapes:
            self._shapes = shapes
            self._layout = Layout((*(one for shape in shapes for one in shape.series), *self._own_series))
        return Sample(time_us, self._layout, values)
