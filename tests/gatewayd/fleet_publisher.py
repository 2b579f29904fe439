"""Puts a fleet into Redis and PostgreSQL as aggregators do, for tests of the gateway."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import psycopg
from redis import Redis

from sysmon.v1 import bus_pb2, ingest_pb2
from sysmonstm import bus
from sysmonstm.metric import Kind, Layout, Metric, Series, Unit
from sysmonstm.wire import layout_to_wire

CPU = Metric("cpu.percent", Unit.PERCENT, Kind.RATE, "Time not idle")
CORE = Metric("cpu.core_percent", Unit.PERCENT, Kind.RATE, "Time not idle, per core", "core")
DISK = Metric("filesystem.percent", Unit.PERCENT, Kind.GAUGE, "Space used", "mount")
RECEIVED = Metric("network.received", Unit.BYTES_PER_SECOND, Kind.RATE, "Bytes received", "interface")
LAYOUT = Layout((Series(CPU), Series(CORE, "0"), Series(CORE, "1"), Series(DISK, "/")))
# The same metrics, and others, in other places.
OTHER_LAYOUT = Layout((Series(RECEIVED, "eth0"), Series(DISK, "/"), Series(DISK, "/srv"), Series(CPU)))


def now_us() -> int:
    return time.time_ns() // 1000


class FleetPublisher:
    """One aggregator's side of the bus."""

    def __init__(self, redis_url: str) -> None:
        self.redis = Redis.from_url(redis_url)
        self.epoch = secrets.token_hex(8)
        self.n = 0
        self._streams: dict[str, bytes] = {}
        self._seq = 0

    def close(self) -> None:
        self.redis.close()

    def hello(self, machine: str, interval: float = 5.0, **facts: str) -> ingest_pb2.Hello:
        stream = self._streams.setdefault(machine, secrets.token_bytes(16))
        return ingest_pb2.Hello(
            machine=machine, stream=stream, interval_seconds=interval, agent_version="0.1.0", facts=facts
        )

    def frame(
        self, machine: str, values: Sequence[float], layout: Layout = LAYOUT, received_us: int | None = None
    ) -> bus_pb2.LiveFrame:
        self._seq += 1
        received_us = now_us() if received_us is None else received_us
        sample = ingest_pb2.Frame(seq=self._seq, time_us=received_us, layout_id=layout.id, values=values)
        return bus_pb2.LiveFrame(machine=machine, stream=self._streams[machine], received_us=received_us, frame=sample)

    def publish(
        self,
        frames: Sequence[bus_pb2.LiveFrame] = (),
        hellos: Sequence[ingest_pb2.Hello] = (),
        layouts: Sequence[Layout] = (),
        forgotten: Sequence[str] = (),
    ) -> None:
        self.n += 1
        messages = [layout_to_wire(layout) for layout in layouts]
        batch = bus_pb2.LiveBatch(
            epoch=self.epoch,
            n=self.n,
            frames=[frame.SerializeToString() for frame in frames],
            hellos=[hello.SerializeToString() for hello in hellos],
            layouts=[message.SerializeToString() for message in messages],
            forgotten=forgotten,
        )
        with self.redis.pipeline(transaction=True) as pipe:
            if forgotten:
                pipe.hdel(bus.HELLOS, *forgotten)
                pipe.hdel(bus.FRAMES, *forgotten)
                pipe.sadd(bus.FORGOTTEN, *forgotten)
            for message in messages:
                pipe.hset(bus.LAYOUTS, message.id, message.SerializeToString())
            for hello in hellos:
                pipe.hset(bus.HELLOS, hello.machine, hello.SerializeToString())
            for frame in frames:
                pipe.hset(bus.FRAMES, frame.machine, frame.SerializeToString())
            pipe.hset(bus.EPOCHS, self.epoch, self.n)
            pipe.publish(bus.LIVE, batch.SerializeToString())
            pipe.execute()

    def show(self, machine: str, values: Sequence[float], layout: Layout = LAYOUT, **facts: str) -> None:
        """A machine says hello and sends a sample."""
        hello = self.hello(machine, 5.0, **facts)
        self.publish([self.frame(machine, values, layout)], [hello], [layout])

    def sample(self, machine: str, values: Sequence[float], layout: Layout = LAYOUT) -> None:
        """A sample of a machine that was shown before."""
        self.publish([self.frame(machine, values, layout)])

    def event(self, fields: dict[str, object]) -> None:
        self.redis.publish(bus.EVENTS, json.dumps(fields))


class HistoryWriter:
    """Rows of the database, as aggregators write them."""

    def __init__(self, database_url: str) -> None:
        self.connection = psycopg.connect(database_url, autocommit=True)

    def close(self) -> None:
        self.connection.close()

    def _id(self, statement: str, *arguments: object) -> int:
        row = self.connection.execute(statement.encode(), arguments).fetchone()
        assert row is not None
        return int(row[0])

    def machine(self, name: str, interval: float = 5.0) -> int:
        return self._id(
            "INSERT INTO machines (name, stream, interval_seconds, agent_version, facts)"
            " VALUES (%s, %s, %s, '0.1.0', '{}') RETURNING id",
            name,
            secrets.token_bytes(16),
            interval,
        )

    def layout(self, layout: Layout) -> int:
        number = self._id("INSERT INTO layouts (hash) VALUES (%s) RETURNING id", layout.id)
        for position, series in enumerate(layout.series, 1):
            one = series.metric
            metric = self._id(
                "INSERT INTO metrics (name, unit, kind, help, instance_label) VALUES (%s, %s, %s, %s, %s)"
                " ON CONFLICT (name, unit, kind, help, instance_label) DO UPDATE SET name = excluded.name RETURNING id",
                one.name,
                one.unit,
                one.kind,
                one.help,
                one.instance_label,
            )
            self.connection.execute(
                "INSERT INTO series (layout, position, metric, instance) VALUES (%s, %s, %s, %s)",
                (number, position, metric, series.instance),
            )
        return number

    def frame(self, machine: int, layout: int, time: float, values: Sequence[float], stream: int = 1) -> None:
        """A sample at `time`, in seconds since 1970, that is not rolled up yet."""
        self.connection.execute(
            "UPDATE tiers SET claimed = least(claimed, early), done = least(done, early)"
            " FROM date_trunc('hour', to_timestamp(%s), 'UTC') AS early WHERE done > early",
            (time,),
        )
        self.connection.execute(
            "INSERT INTO frames (time, machine, stream, layout, values) VALUES (to_timestamp(%s), %s, %s, %s, %s)",
            (time, machine, stream, layout, list(map(float, values))),
        )

    def frames(self, rows: Iterable[tuple[int, int, float, list[float]]]) -> None:
        """Many at once, of machine, layout, time and values; they are never rolled up."""
        copy = "COPY frames (machine, layout, time, values, stream) FROM STDIN"
        with self.connection.cursor() as cursor, cursor.copy(copy) as into:
            for machine, layout, time, values in rows:
                into.write_row((machine, layout, datetime.fromtimestamp(time, UTC), values, 1))

    def stream(self, machine: int, newest: float | None = None) -> tuple[int, bytes]:
        """A stream that moved just now, up to a frame of that time; the number of its row, and its name."""
        name = secrets.token_bytes(16)
        number = self._id(
            "INSERT INTO streams (stream, machine, durable_seq, durable_time) VALUES (%s, %s, 1, to_timestamp(%s))"
            " RETURNING id",
            name,
            machine,
            newest,
        )
        return number, name

    def gap(
        self, machine: int, stream: int, first: int, last: int, reason: str, start: float | None, end: float | None
    ) -> None:
        """Frames that are lost, between frames of these times."""
        self.connection.execute(
            "INSERT INTO gaps (machine, stream, first_seq, last_seq, reason, from_time, to_time)"
            " VALUES (%s, %s, %s, %s, %s, to_timestamp(%s), to_timestamp(%s))",
            (machine, stream, first, last, reason, start, end),
        )

    def reject(self, machine: int, stream: int, seq: int, reason: str, time_us: int) -> None:
        """A frame that was refused just now."""
        self.connection.execute(
            "INSERT INTO rejects (machine, stream, seq, reason, time_us, values) VALUES (%s, %s, %s, %s, %s, '{1,2}')",
            (machine, stream, seq, reason, time_us),
        )

    def event(self, kind: str, machine: str | None, message: str, time: float | None = None, **fields: object) -> int:
        """Something that happened at `time`, in seconds since 1970, or now."""
        return self._id(
            "INSERT INTO events (time, kind, severity, machine, message, fields)"
            " VALUES (coalesce(to_timestamp(%s), now()), %s, 'info', %s, %s, %s) RETURNING id",
            time,
            kind,
            machine,
            message,
            json.dumps(fields),
        )

    def alert(self, rule: str, machine: str, state: str, since: float, threshold: float | None = 90.0) -> None:
        self.connection.execute(
            "INSERT INTO alert_states (rule, machine, instance, metric, state, severity, threshold, value, seen, since,"
            " message) VALUES (%s, %s, '', 'cpu.percent', %s, 'warning', %s, 97.5, now(), to_timestamp(%s),"
            " 'too much')",
            (rule, machine, state, threshold, since),
        )
