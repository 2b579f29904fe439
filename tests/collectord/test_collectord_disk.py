"""The real process where nothing can be written: a hub that is well gets every sample all the same."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collectord.scripted_hub import ScriptedHub, serving, take_all
from tests.collectord.test_collectord import collectord
from tests.shared.real_server import until


@pytest.fixture
def full_file_system(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 1 MiB that is full; the collector's log is elsewhere."""
    place = tmp_path / "spool"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
    try:
        with (place / "hog").open("wb", buffering=0) as hog, pytest.raises(OSError, match="No space left"):
            while True:
                hog.write(bytes(4096))
        yield tmp_path
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def told_lost(hub: ScriptedHub) -> int:
    return sum(gap.last_seq - gap.first_seq + 1 for _, batch in hub.batches for gap in batch.gaps)


async def test_a_full_disk_costs_a_connected_collector_nothing(full_file_system: Path) -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, collectord(full_file_system, address) as collector:
        await until("samples come", lambda: len(hub.frames) + told_lost(hub) >= 10)
        await collector.stop()
    assert hub.seqs == list(range(1, len(hub.seqs) + 1))
    assert told_lost(hub) == 0
    assert collector.events["spool.failing"]["fields"]["error"] == "ENOSPC"


async def test_a_removed_directory_costs_a_connected_collector_nothing(tmp_path: Path) -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, collectord(tmp_path, address) as collector:
        await until("samples come", lambda: len(hub.frames) >= 3)
        shutil.rmtree(tmp_path / "spool")
        before = len(hub.frames)
        await until("more come", lambda: len(hub.frames) >= before + 5)
        await collector.stop()
    assert hub.seqs == list(range(1, len(hub.seqs) + 1))
    assert told_lost(hub) == 0
    assert list((tmp_path / "spool").glob("*.spool"))
