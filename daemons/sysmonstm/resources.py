"""Where what belongs to the product and is no Python module is: sql/, units/, web/, the README, and the commands."""

import sys
import sysconfig
from pathlib import Path

_PACKAGE = Path(__file__).parent
_TREE = _PACKAGE.parent.parent


def resource(name: str) -> Path:
    """The file or directory `name` ("sql", "web"): inside the installed package, or at the top of a source tree."""
    installed = _PACKAGE / name
    return installed if installed.exists() else _TREE / name


def in_source_tree(name: str) -> bool:
    """Whether resource() finds `name` in a source tree, where people edit it while daemons run."""
    return not (_PACKAGE / name).exists()


def commands() -> Path:
    """The directory of this installation's commands: that of the running one, else where Python puts them."""
    # A package of Nix has a directory of its own, which Python knows nothing of.
    beside = Path(sys.argv[0]).resolve().parent
    return beside if (beside / "sysmon-collectord").is_file() else Path(sysconfig.get_path("scripts"))
