"""One call at a time, and a hung one costs only itself."""

from __future__ import annotations

import subprocess
import sys
import threading
from queue import SimpleQueue

from sysmonstm.collectord.worker import Worker


def test_answers_come_from_one_thread_that_is_not_the_callers() -> None:
    worker: Worker[int] = Worker("test")
    answers: SimpleQueue[int] = SimpleQueue()
    seen = set()
    for _ in range(50):
        assert worker.offer(threading.get_ident, answers.put)
        seen.add(answers.get(timeout=10))
    worker.close()
    assert len(seen) == 1
    assert threading.get_ident() not in seen


def test_a_hung_call_is_not_started_twice_and_its_worker_is_free_again_when_it_ends() -> None:
    worker: Worker[int] = Worker("test")
    hung = threading.Event()
    answers: SimpleQueue[int] = SimpleQueue()
    started: list[int] = []

    def hang() -> int:
        started.append(1)
        hung.wait()
        return 1

    assert worker.offer(hang, answers.put)
    assert not worker.offer(hang, answers.put)
    assert worker.busy
    hung.set()
    assert answers.get(timeout=10) == 1
    assert started == [1]
    assert worker.offer(lambda: 2, answers.put)
    assert answers.get(timeout=10) == 2
    worker.close()


def test_a_late_answer_does_not_reach_whoever_asks_next() -> None:
    worker: Worker[str] = Worker("test")
    hung = threading.Event()
    abandoned: SimpleQueue[str] = SimpleQueue()
    answers: SimpleQueue[str] = SimpleQueue()
    worker.offer(lambda: "late" if hung.wait() else "", abandoned.put)
    hung.set()
    assert abandoned.get(timeout=10) == "late"
    worker.offer(lambda: "fresh", answers.put)
    assert answers.get(timeout=10) == "fresh"
    assert answers.empty()
    worker.close()


def test_a_hung_call_does_not_keep_the_process_from_exiting() -> None:
    program = (
        "import threading; from sysmonstm.collectord.worker import Worker;"
        "started = threading.Event();"
        "Worker('w').offer(lambda: (started.set(), threading.Event().wait()), print); started.wait()"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0


def test_a_closed_worker_ends_its_thread() -> None:
    worker: Worker[threading.Thread] = Worker("test")
    answers: SimpleQueue[threading.Thread] = SimpleQueue()
    worker.offer(threading.current_thread, answers.put)
    thread = answers.get(timeout=10)
    worker.close()
    thread.join(timeout=10)
    assert not thread.is_alive()
