"""The spool for the event loop: all its file work is done in one thread, so a disk that hangs holds up no one else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from sysmon.v1 import ingest_pb2 as pb
from sysmonstm.collectord.spool.files import DiskDirectory, boot_id
from sysmonstm.collectord.spool.spool import Spool
from sysmonstm.collectord.spool.thread import FileThread
from sysmonstm.collectord.spool.words import Issued, Limits, Portion, SpoolState
from sysmonstm.metric import Layout

T = TypeVar("T")


class Outbox:
    """Frames from when they are taken until they are acknowledged. For one event loop; calls are done in order.

    Whatever is asked by a coroutine that is cancelled meanwhile is done all the same. No call raises for what a disk
    does: what it loses is a gap, and in `state`.
    """

    def __init__(self, thread: FileThread, spool: Spool, state: SpoolState) -> None:
        """`open` makes one."""
        self._thread = thread
        self._spool = spool
        self._nothing_waits = asyncio.Event()
        # By stream, what was acknowledged here: the spool is told with the next call, so that it need not be woken.
        self._settled: dict[bytes, int] = {}
        # A collector that is connected reads no other, and the spool has it in memory if not on disk.
        self._newest: Issued | None = None
        self._told(state)

    @classmethod
    async def open(cls, directory: Path, limits: Limits) -> Outbox:
        """Open the spool in `directory`, made if need be.

        UserError if it cannot be made or written, or another collector has it. A damaged spool opens.
        """
        thread = FileThread("spool")

        def opened() -> tuple[Spool, SpoolState]:
            spool = Spool(DiskDirectory(directory), limits, boot_id())
            thread.keep_synced(lambda: spool.needs_sync, spool.sync)
            return spool, spool.state

        try:
            return cls(thread, *await thread.call(opened))
        except BaseException:
            # Whatever it was: there is nothing for the thread to do.
            thread.close()
            raise

    async def close(self) -> None:
        """Sync and let go. Waits for the disk, if need be for ever: give it a deadline."""
        await self._call(lambda: None)
        await self._thread.call(self._spool.close)
        self._thread.close()

    @property
    def state(self) -> SpoolState:
        """How the spool fares, as of the last call that ended. Costs nothing."""
        return self._state

    @property
    def unacknowledged(self) -> int:
        """How many frames wait."""
        return self._state.unacknowledged

    @property
    def current_stream(self) -> bytes:
        """The stream that new frames belong to: 16 bytes."""
        return self._state.streams[-1].stream

    def first_stream(self) -> bytes:
        """The oldest stream that has something unacknowledged, frames or gaps; else the current one."""
        waiting = (one.stream for one in self._state.streams if not one.settled)
        return next(waiting, self.current_stream)

    def newest_seq(self, stream: bytes) -> int:
        """The newest seq known to be given out on a stream; 0 for none, or a stream that is settled and gone."""
        return next((one.newest_seq for one in self._state.streams if one.stream == stream), 0)

    def acknowledged_seq(self, stream: bytes) -> int:
        """Up to where a stream is settled; 0 for a stream that is gone."""
        return next((one.acknowledged_seq for one in self._state.streams if one.stream == stream), 0)

    async def append(
        self, time_us: int, layout: Layout, values: Sequence[float], events: Sequence[pb.Event] = ()
    ) -> Issued:
        """A new frame of the current stream, with the next seq. Returns when it is written, which is not yet synced.

        Sheds the oldest where there is no room. A frame that cannot be written is issued all the same: it is read from
        memory, and becomes part of a gap when too many newer ones have come.
        """
        self._newest = issued = await self._call(lambda: self._spool.append(time_us, layout, values, events))
        return issued

    async def read(self, stream: bytes, after_seq: int, most_frames: int, most_bytes: int) -> Portion:
        """What comes after `after_seq` on a stream, or after what is settled if that is later.

        At most `most_frames` frames, of `most_bytes` in all as they are on the wire, but at least one if there is one.
        Empty when there is nothing after. Gaps are in it where they belong, a gap at its end too.
        """
        seq = max(after_seq, self.acknowledged_seq(stream)) + 1
        if seq > self.newest_seq(stream):
            return Portion()
        if self._newest and (self._newest.stream, self._newest.frame.seq) == (stream, seq):
            return Portion([self._newest.frame])
        return await self._call(lambda: self._spool.read(stream, seq - 1, most_frames, most_bytes))

    async def acknowledge(self, stream: bytes, seq: int) -> None:
        """Everything of the stream up to `seq` is settled and may be deleted; never more than was given out."""
        # What is given out later is not settled by this.
        seq = min(seq, self.newest_seq(stream))
        self._settled[stream] = max(seq, self._settled.get(stream, 0))
        self._look()

    async def layout(self, layout_id: bytes) -> Layout | None:
        """The layout of a frame that was appended or read; None if no frame here has it."""
        return await self._call(lambda: self._spool.layout(layout_id))

    async def time_of(self, stream: bytes, seq: int) -> int | None:
        """Frame.time_us of a frame, in microseconds, if it is still here."""
        return await self._call(lambda: self._spool.time_of(stream, seq))

    async def limit(self, limits: Limits) -> None:
        """From the next frame on no more may be kept than this."""
        await self._call(lambda: self._spool.limit(limits))

    async def rotate(self) -> None:
        """Begin a new stream, for what is appended from now on; what waits stays in the stream it is in."""
        await self._call(self._spool.rotate)

    async def acknowledged_all(self) -> None:
        """Wait until every stream is settled up to its newest seq."""
        await self._nothing_waits.wait()

    async def _call(self, work: Callable[[], T]) -> T:
        settled = list(self._settled.items())

        def done() -> tuple[T, SpoolState]:
            for stream, seq in settled:
                self._spool.acknowledge(stream, seq)
            return work(), self._spool.state

        return (await self._thread.call(done, lambda answer: self._told(answer[1])))[0]

    def _told(self, state: SpoolState) -> None:
        """The spool has said how it fares."""
        known = {one.stream: one.acknowledged_seq for one in state.streams}
        self._settled = {stream: seq for stream, seq in self._settled.items() if seq > known.get(stream, seq)}
        self._of_spool = state
        self._look()

    def _look(self) -> None:
        """Put together what the spool has said, and what it has not yet been told."""
        self._state = _with(self._of_spool, self._settled)
        if all(one.settled for one in self._state.streams):
            self._nothing_waits.set()
        else:
            self._nothing_waits.clear()


def _with(state: SpoolState, settled: dict[bytes, int]) -> SpoolState:
    """The state as it will be when the spool knows what is settled."""
    if not settled:
        return state
    streams = tuple(one.acknowledged(settled.get(one.stream, 0)) for one in state.streams)
    more = sum(new.acknowledged_seq - old.acknowledged_seq for new, old in zip(streams, state.streams, strict=True))
    return replace(state, streams=streams, unacknowledged=max(0, state.unacknowledged - more))
