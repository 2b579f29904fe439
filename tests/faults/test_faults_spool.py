"""Spools that overflow, and that are put back from an old copy."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults import checks
from tests.faults.stage import Stage, assert_none, lost_in
from tests.shared.real_server import until

MIB = 2**20
# 2 kB each: three times as much as there is room for.
WIDTH, SAMPLES = 500, 6500


@contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    """A file system of 4 MiB; skips where that is not permitted."""
    path.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", path], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {made.stderr.strip()}")
    try:
        yield path
    finally:
        # Lazily: after a failure the collector still has it open.
        subprocess.run(["umount", "--lazy", path], check=True)


@pytest.mark.parametrize(
    "free_bytes",
    [
        pytest.param(0, id="until the disk is full"),
        pytest.param(MIB, id="with room to spare", marks=pytest.mark.long_faults),
    ],
)
async def test_a_spool_on_a_disk_of_four_mebibytes_overflows_threefold(
    stage: Stage, tmp_path: Path, free_bytes: int
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        hub = await stage.aggregator()
        hub.kill()
        collectors = stage.collect(
            hub.address, spool=disk, width=WIDTH, samples=SAMPLES, interval=0, free_bytes=free_bytes
        )
        await until("all samples are taken", lambda: _taken(stage) == SAMPLES)
        left = shutil.disk_usage(disk).free
        print(f"{left} bytes are free on the full disk")
        assert left >= free_bytes * 3 // 4
        hub.start()
        have = await stage.settle(fewest=SAMPLES, may_shed=True)
        lost, newest = lost_in(have), max(row.time_us for row in have.frames)
        assert SAMPLES // 3 < lost < SAMPLES - 500
        times = stage.ledger().origins[1].times
        assert newest == times[SAMPLES], "what is lost is the oldest"
        assert {gap.reason for gap in have.gaps} == {"shed"}
        # Full as it was, it goes on.
        await collectors.stop()


def _taken(stage: Stage) -> int:
    return stage.ledger().issued


@pytest.mark.parametrize(
    "hub_answers",
    [pytest.param(True, id="hub answers", marks=pytest.mark.long_faults), pytest.param(False, id="hub is away")],
)
async def test_a_spool_that_is_put_back_from_an_old_copy_begins_a_new_stream(
    stage: Stage, tmp_path: Path, hub_answers: bool
) -> None:
    """While the hub is away it gives out seqs that were given out before; then as many again as were lost."""
    hub = await stage.aggregator()
    collectors = stage.collect(hub.address, machines=2, interval=0.025, backlog=20, span=9000)
    await until("samples are settled", lambda: stage.ledger().acknowledged > 100)
    await collectors.stop()
    shutil.copytree(collectors.spool, tmp_path / "copy")
    before = stage.ledger().issued
    collectors.start()
    await until("more are taken", lambda: stage.ledger().issued > before + 50)
    # What waits in a spool that is lost is lost with it: let there be nothing.
    await stage.everything_acknowledged()
    collectors.kill()
    shutil.rmtree(collectors.spool)
    shutil.copytree(tmp_path / "copy", collectors.spool)
    if not hub_answers:
        hub.kill()
    again = stage.ledger().issued
    collectors.start()
    await until("it goes on from the copy", lambda: stage.ledger().issued > again + 200)
    if not hub_answers:
        hub.start()
    await until("each of the two has begun a new stream", lambda: len(stage.stored().durable) == 4)
    book = await stage.everything_acknowledged()
    have = stage.stored()
    assert_none([*checks.while_running(book, have), *checks.unaccounted(book, have, frozenset())])
    assert [line["event"] for line in collectors.logged()].count("spool.restored") == 2
    await stage.rolled_up(book)
