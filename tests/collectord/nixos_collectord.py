"""sysmon-collectord that finds NixOS below a directory: `python -m tests.collectord.nixos_collectord ROOT …`."""

from __future__ import annotations

import sys
from pathlib import Path

from sysmonstm.collectord import __main__
from sysmonstm.collectord.deployment import reading


def main() -> None:
    reading.ROOT = Path(sys.argv.pop(1))
    __main__.main()


if __name__ == "__main__":
    main()
