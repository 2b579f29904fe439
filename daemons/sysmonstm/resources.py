"""Where the files are that belong to the product and are not Python: sql/, units/, web/ and the README."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_TREE = _PACKAGE.parent.parent


def resource(name: str) -> Path:
    """The file or directory `name` ("sql", "web"): inside the installed package, or at the top of a source tree."""
    installed = _PACKAGE / name
    return installed if installed.exists() else _TREE / name
