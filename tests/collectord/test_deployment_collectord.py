"""The real process on a tree of NixOS: the sample that sees an activation carries it, and hubs learn the facts anew."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sysmon.v1 import ingest_pb2 as pb
from tests.collectord.nixos_tree import REVISION, NixosTree
from tests.collectord.scripted_hub import ScriptedHub, serving, take_all
from tests.shared.real_server import PATIENCE_SECONDS, until


@asynccontextmanager
async def collectord(directory: Path, address: str, root: Path) -> AsyncIterator[None]:
    """One with its spool in `directory`, stopped by SIGTERM in the end, as a switch does."""
    environment = os.environ | {
        "COLLECTOR_MACHINE_ID": "web1",
        "COLLECTOR_AGGREGATOR_URL": address,
        "COLLECTOR_COLLECTION_INTERVAL": "0.5",
        "COLLECTOR_SPOOL_DIRECTORY": str(directory / "spool"),
        "COLLECTOR_SPOOL_FREE_BYTES": "0",
        "COLLECTOR_TAGS": "web,rack:4",
    }
    command = [sys.executable, "-m", "tests.collectord.nixos_collectord", str(root)]
    with (directory / "collectord.log").open("a") as output:
        process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=output)
    try:
        yield
    finally:
        process.terminate()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await process.wait()


@pytest.fixture
def tree(tmp_path: Path) -> NixosTree:
    made = NixosTree(tmp_path / "root")
    made.generation(42, made.system("42"))
    made.boot(made.store / "hash-nixos-system-web1-42")
    return made


def activations(hub: ScriptedHub) -> list[pb.Event]:
    return [event for frame in hub.frames for event in frame.events if event.kind == "system.activated"]


async def test_an_activation_is_told_of_once_and_renews_the_hello(tree: NixosTree, tmp_path: Path) -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address:
        async with collectord(tmp_path, address, tree.root):
            await until("it runs", lambda: len(hub.frames) >= 2)
            assert (hub.hellos[0].facts["generation"], list(hub.hellos[0].tags)) == ("42", ["web", "rack:4"])
            tree.switch(43, tree.system("43", kernel="6.18", revision=REVISION))
            await until("it is told of", lambda: bool(activations(hub)))
            await until("the hub has the facts of now", lambda: hub.hellos[-1].facts.get("generation") == "43")
            assert hub.hellos[-1].facts["needs_reboot"] == "kernel, initrd, kernel modules"
            assert hub.hellos[-1].facts["revision"] == REVISION
            assert hub.hellos[-1].stream == hub.hellos[0].stream
        # The switch restarts it, and again another one while it is away.
        tree.switch(44, tree.system("44"))
        async with collectord(tmp_path, address, tree.root):
            await until("both are told of", lambda: len(activations(hub)) >= 2)
            newest = hub.seqs[-1]
            await until("more samples have come", lambda: hub.seqs[-1] > newest + 3)
    first, second = activations(hub)
    assert (first.fields["generation"], first.fields["previous_generation"]) == ("43", "42")
    assert (second.fields["generation"], second.fields["previous_generation"]) == ("44", "43")
    assert second.time_us == tree.time_ns // 1000
    assert hub.hellos[-1].facts["generation"] == "44"


async def test_a_fact_that_is_no_longer_so_goes_away(tree: NixosTree, tmp_path: Path) -> None:
    tree.switch(43, tree.system("43", kernel="6.18", revision=REVISION))
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, collectord(tmp_path, address, tree.root):
        await until("it runs", lambda: len(hub.frames) >= 2)
        assert {"needs_reboot", "revision"} <= set(hub.hellos[-1].facts)
        tree.switch(44, tree.system("44"))
        await until("the hub has the facts of now", lambda: hub.hellos[-1].facts.get("generation") == "44")
        assert not {"needs_reboot", "revision"} & set(hub.hellos[-1].facts)
        assert "hostname" in hub.hellos[-1].facts


async def test_the_sample_that_sees_it_carries_it(tree: NixosTree, tmp_path: Path) -> None:
    hub = ScriptedHub(take_all)
    async with serving(hub) as address, collectord(tmp_path, address, tree.root):
        await until("it runs", lambda: len(hub.frames) >= 2)
        tree.switch(43, tree.system("43"))
        await until("it is told of", lambda: bool(activations(hub)))
    (carrier,) = [frame for frame in hub.frames if any(event.kind == "system.activated" for event in frame.events)]
    (before,) = [frame for frame in hub.frames if frame.seq == carrier.seq - 1]
    # nixos.generation is among the values, and others are not likely to be the same.
    assert (42.0, 43.0) in zip(before.values, carrier.values, strict=True)
