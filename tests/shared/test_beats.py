from __future__ import annotations

import asyncio

from sysmonstm.beats import EVERY_SECONDS, Beats, Loop


def test_a_loop_is_late_only_once_its_promise_is_over() -> None:
    beats = Beats()
    beats.beat("work", 5.0, 100.0)
    assert beats.late(105.0) == []
    assert beats.late(105.1) == ["work"]
    beats.beat("work", 1.0, 106.0)
    assert beats.late(107.1) == ["work"]


def test_a_wait_excuses_a_loop_and_its_end_is_progress() -> None:
    beats = Beats()
    beats.beat("work", 2.0, 100.0)
    beats.begins_to_wait("work", 130.0, 101.0)
    assert beats.late(130.0) == []
    assert beats.late(130.1) == ["work"]
    beats.has_waited("work", 130.0, 131.0)
    assert beats.late(133.0) == []
    assert beats.late(133.1) == ["work"]


def test_of_several_waits_the_longest_excuses_and_each_ends_for_itself() -> None:
    beats = Beats()
    beats.begins_to_wait("work", 110.0, 100.0)
    beats.begins_to_wait("work", 105.0, 100.0)
    beats.has_waited("work", 105.0, 101.0)
    assert beats.late(110.0) == []
    beats.has_waited("work", 110.0, 102.0)
    assert beats.late(102.1 + EVERY_SECONDS) == ["work"]


def test_the_wait_of_one_loop_excuses_no_other() -> None:
    beats = Beats()
    beats.beat("other", 2.0, 100.0)
    beats.begins_to_wait("work", 130.0, 100.0)
    assert beats.late(103.0) == ["other"]


def test_a_loop_that_has_ended_is_never_late() -> None:
    beats = Beats()
    beats.beat("work", 2.0, 100.0)
    beats.end("work")
    assert beats.late(1000.0) == []
    beats.has_waited("work", 130.0, 131.0)
    assert beats.late(1000.0) == []


def test_a_loop_that_never_begins_is_late_too() -> None:
    beats = Beats()
    Loop(beats, "work", 0.0)
    assert beats.late(float("inf")) == ["work"]


async def test_it_is_known_where_a_loop_hangs() -> None:
    beats = Beats()
    never = asyncio.Event()

    async def inner() -> None:
        await never.wait()

    async def work() -> None:
        beats.beat("work", 0.0, 0.0)
        await inner()

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work())
        await asyncio.sleep(0)
        where = beats.where("work")
        task.cancel()
    functions = [part.split(" ")[1] for part in where.split(", ")]
    assert functions == ["work", "inner", "wait"]
    assert where.startswith("test_beats.py:")
    assert beats.where("another") == ""
