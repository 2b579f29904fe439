"""What is known of a deployment, and what follows from it alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# What a reboot exchanges, and a switch does not. All else of a system is exchanged by its activation.
PARTS: Mapping[str, str] = {"kernel": "kernel", "initrd": "initrd", "kernel-modules": "kernel modules"}
"""Names in a system's directory, and what people call them."""


@dataclass(frozen=True, slots=True)
class Running:
    """The system that runs: its store path, when its link was made and when that was seen, and in which boot.

    Times are nanoseconds since 1970. What is not known of it is empty, or None.
    """

    system: str
    activated_ns: int
    seen_ns: int
    boot: str
    generation: int | None = None
    specialisation: str = ""
    revision: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What runs, what was booted, and the generation that the next boot brings (None if there is no profile).

    `current` and `booted` are the paths of PARTS, in their order, empty where a system has none, as in a container;
    `booted` is None if it is not known what was booted.
    """

    running: Running
    current: tuple[str, ...]
    booted: tuple[str, ...] | None
    next_boot: int | None

    @property
    def needs_reboot(self) -> tuple[str, ...]:
        """Which of PARTS are others than those that were booted, as people call them."""
        if self.booted is None:
            return ()
        pairs = zip(PARTS.values(), self.booted, self.current, strict=True)
        return tuple(part for part, booted, current in pairs if booted != current)

    @property
    def staged(self) -> int | None:
        """The generation that waits for the next boot, unless it runs already."""
        return None if self.next_boot == self.running.generation else self.next_boot


def described(deployment: Deployment) -> dict[str, str]:
    """The facts of it; empty texts are what is not known."""
    running = deployment.running
    names = [name.replace("-", "_") for name in PARTS]
    return {
        "generation": _number(running.generation),
        "specialisation": running.specialisation,
        "system": running.system,
        "revision": running.revision,
        "nixos_label": running.label,
        "needs_reboot": ", ".join(deployment.needs_reboot),
        "staged": _number(deployment.staged),
        **{f"current_{name}": path for name, path in zip(names, deployment.current, strict=True)},
        **{f"booted_{name}": path for name, path in zip(names, deployment.booted or (), strict=False)},
    }


def _number(number: int | None) -> str:
    return "" if number is None else str(number)
