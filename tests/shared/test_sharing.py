"""Several processes share the tests by file: what a file starts is started once."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = ("test_backoff.py", "test_beats.py", "test_journal_fields.py", "test_wire.py")


def test_no_file_is_shared_by_processes() -> None:
    paths = [f"tests/shared/{name}" for name in FILES]
    command = [sys.executable, "-m", "pytest", "-v", "-n2", "--dist=loadfile", "-p", "no:cacheprovider", *paths]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300).stdout
    workers = defaultdict(set)
    for worker, file in re.findall(r"\[(gw\d)\] .*?tests/shared/(\w+\.py)::", told):
        workers[file].add(worker)
    assert sorted(workers) == sorted(FILES), told
    assert {len(found) for found in workers.values()} == {1}
    assert set.union(*workers.values()) == {"gw0", "gw1"}


def test_what_a_process_dies_of_fails_once_and_the_rest_of_its_file_is_run(tmp_path: Path) -> None:
    file = tmp_path / "test_deadly.py"
    file.write_text(
        "import os\ndef test_a(): pass\ndef test_b(): os._exit(3)\ndef test_c(): pass\ndef test_d(): os._exit(3)\n"
    )
    arguments = [
        "-n2",
        "--dist=loadfile",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        f"--rootdir={tmp_path}",
        str(file),
    ]
    command = [sys.executable, "-m", "pytest", *arguments]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300).stdout
    assert "2 failed, 2 passed" in told, told
    assert set(re.findall(r"crashed while running '.*::(\w+)'", told)) == {"test_b", "test_d"}


def test_the_machines_are_booted_once() -> None:
    from tests.sharing import FilesAndMachines

    scope = FilesAndMachines._split_scope
    names = ("tests/machine/test_machines_tls.py::test_a", "tests/machine/test_machines_nixos.py::test_b[x::y]")
    assert len({scope(object.__new__(FilesAndMachines), name) for name in names}) == 1
