"""sysmon-aggregatord as it must not be: its commits do not wait for the disk. Only for the control run."""

from __future__ import annotations

from sysmonstm.aggregatord import __main__
from sysmonstm.aggregatord.history import connection

_SAFE, _UNSAFE = "synchronous_commit = on", "synchronous_commit = off"


def main() -> None:
    """The product, but for one word."""
    assert _SAFE in connection._SETTINGS, "the product sets it here, or this is no control"
    connection._SETTINGS = connection._SETTINGS.replace(_SAFE, _UNSAFE)
    __main__.main()


if __name__ == "__main__":
    main()
