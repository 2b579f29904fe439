"""The links and files of a NixOS machine below a directory, and what its commands do to them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

# As git says it of a checkout with changes.
REVISION = "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d"


class NixosTree:
    """`root` is what would be "/". Systems are named; each has a kernel by its version, unless that is empty."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = root / "nix/store"
        self.profiles = root / "nix/var/nix/profiles"
        for directory in (self.store, self.profiles, root / "run"):
            directory.mkdir(parents=True)
        # Of the newest link, in nanoseconds since 1970.
        self.time_ns = 0

    def system(self, name: str, kernel: str = "6.12", revision: str = "", specialisations: Sequence[str] = ()) -> Path:
        """Build one: its store path."""
        path = self.store / f"hash-nixos-system-web1-{name}"
        (path / "etc/sysmonstm").mkdir(parents=True)
        (path / "nixos-version").write_text(f"26.05.{name}\n")
        (path / "etc/sysmonstm/configuration-revision").write_text(revision)
        for part, file in (("kernel", "bzImage"), ("initrd", "initrd"), ("kernel-modules", "")) if kernel else ():
            target = self.store / f"{part}-{kernel}" / file
            target.mkdir(parents=True, exist_ok=True)
            (path / part).symlink_to(target)
        (path / "specialisation").mkdir()
        for special in specialisations:
            (path / "specialisation" / special).symlink_to(self.system(f"{name}-{special}", kernel, revision))
        return path

    def generation(self, number: int, system: Path) -> None:
        """What `nixos-rebuild boot` does: the system is a generation, which the next boot brings."""
        (self.profiles / f"system-{number}-link").symlink_to(system)
        self.set_profile(number)

    def set_profile(self, number: int) -> None:
        self._link(self.profiles / "system", Path(f"system-{number}-link"))

    def activate(self, system: Path, time_ns: int | None = None) -> None:
        """What `nixos-rebuild test` does; the clock says `time_ns`, or what it is."""
        self._link(self.root / "run/current-system", system, time_ns)

    def switch(self, number: int, system: Path) -> None:
        """What `nixos-rebuild switch` does."""
        self.generation(number, system)
        self.activate(system)

    def boot(self, system: Path) -> None:
        """The machine starts again."""
        shutil.rmtree(self.root / "run")
        (self.root / "run").mkdir()
        self._link(self.root / "run/booted-system", system)
        self.activate(system)

    def _link(self, link: Path, target: Path, time_ns: int | None = None) -> None:
        # Put in place with its time: to set that later would be another activation for who looks in between.
        new = link.with_name(f"{link.name}.new")
        new.symlink_to(target)
        self.time_ns = time.time_ns() if time_ns is None else time_ns
        os.utime(new, ns=(self.time_ns, self.time_ns), follow_symlinks=False)
        new.replace(link)
