"""A network namespace of its own that can be cut off from this one: a cable with a plug."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Cable:
    """`enter` goes before a command that is to run at the other end; `host` is this end's address."""

    namespace: str
    device: str
    host: str

    @property
    def enter(self) -> list[str]:
        return ["ip", "netns", "exec", self.namespace]

    def plug(self, where: str) -> None:
        """`up`, or `down`: nothing passes, and nobody is told."""
        _ip("-n", self.namespace, "link", "set", self.device, where)


@contextmanager
def cable() -> Iterator[Cable]:
    """Lay one; skips where that is not permitted."""
    name = f"faults{os.getpid()}"
    here, there = f"fh{os.getpid()}", f"fc{os.getpid()}"
    # Of the addresses that are for such trials (RFC 2544).
    host, guest = "198.18.213.1", "198.18.213.2"
    try:
        _ip("netns", "add", name)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or error
        pytest.skip(f"network namespaces cannot be made here: {said}")
    try:
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        _ip("addr", "add", f"{host}/30", "dev", here)
        _ip("link", "set", here, "up")
        _ip("-n", name, "addr", "add", f"{guest}/30", "dev", there)
        _ip("-n", name, "link", "set", there, "up")
        yield Cable(name, there, host)
    finally:
        # The cable goes with it.
        _ip("netns", "del", name)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)
