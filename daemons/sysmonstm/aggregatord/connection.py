"""The durable lanes that are open: for each its session, and what is to be written to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Generic, TypeVar

from google.protobuf.message import DecodeError, Message

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.aggregatord.allowance import Pace
from sysmonstm.aggregatord.session import Session
from sysmonstm.wire import DamagedError, Unsealer

M = TypeVar("M", bound=Message)


class Unsealed(Generic[M]):
    """The messages of a lane, of type `kind`; DamagedError at the first that is not as it was sent."""

    def __init__(self, messages: AsyncIterator[pb.Sealed], kind: type[M]) -> None:
        self._messages = aiter(messages)
        self._unsealer = Unsealer(kind)
        # Of the message that came last.
        self.size_bytes = 0

    def __aiter__(self) -> Unsealed[M]:
        return self

    async def __anext__(self) -> M:
        try:
            sealed = await anext(self._messages)
        except DecodeError:
            raise DamagedError("a message cannot be read") from None
        self.size_bytes = len(sealed.message)
        return self._unsealer.unseal(sealed)


class Connection:
    """A session on a call. Only one task writes: gRPC takes one write at a time."""

    def __init__(self, session: Session) -> None:
        self.session = session
        # By how much the machine's clock is ahead of the hub's, in microseconds; None until it has said.
        self.skew_us: int | None = None
        self.owed = asyncio.Event()
        # When something was last written, in monotonic seconds.
        self.told_at = 0.0
        self.ended = False
        self._wanted_layouts: list[bytes] = []
        self._cursor: pb.Cursor | None = None
        self._has_cursor = False

    def end(self) -> None:
        """Nothing more is to be written."""
        self.ended = True
        self.owed.set()

    def want(self, layouts: list[bytes]) -> None:
        """Ask the collector for layouts."""
        if layouts:
            self._wanted_layouts += layouts
            self.owed.set()

    def cursor(self, cursor: pb.Cursor) -> None:
        """Tell the collector what the database has, unless it was told already."""
        if not self._has_cursor:
            self._has_cursor = True
            self._cursor = cursor
            self.owed.set()

    def due(self, pace: Pace) -> list[pb.AggregatorMessage]:
        """What to write now."""
        wanted, self._wanted_layouts = self._wanted_layouts, []
        messages = [pb.AggregatorMessage(need_layout=pb.NeedLayout(layout_id=one)) for one in wanted]
        if self._cursor:
            messages.append(pb.AggregatorMessage(cursor=self._cursor))
            self._cursor = None
        return [*messages, pb.AggregatorMessage(ack=self.session.ack(pace))]


class Connections:
    """Those that are open now."""

    def __init__(self) -> None:
        self._by_session: dict[Session, Connection] = {}
        self._by_stream: dict[bytes, set[Connection]] = {}

    def __len__(self) -> int:
        return len(self._by_session)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._by_session.values())

    def add(self, connection: Connection) -> None:
        """It has opened."""
        self._by_session[connection.session] = connection
        self._by_stream.setdefault(connection.session.stream, set()).add(connection)

    def remove(self, connection: Connection) -> None:
        """It has closed."""
        del self._by_session[connection.session]
        of_stream = self._by_stream[connection.session.stream]
        of_stream.remove(connection)
        if not of_stream:
            del self._by_stream[connection.session.stream]

    def of_session(self, session: Session) -> Connection | None:
        """The connection of a session, if it is open."""
        return self._by_session.get(session)

    def of_stream(self, stream: bytes) -> set[Connection]:
        """The connections that serve a stream."""
        return self._by_stream.get(stream, set())
