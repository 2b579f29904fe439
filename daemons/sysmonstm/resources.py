"""Where the files are that belong to the product and are not Python: sql/ and web/."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_TREE = _PACKAGE.parent.parent


def resource(name: str) -> Path:
    """The directory `name` ("sql", "web"): inside the installed package, or at the top of a source tree."""
    installed = _PACKAGE / name
    return installed if installed.is_dir() else _TREE / name
