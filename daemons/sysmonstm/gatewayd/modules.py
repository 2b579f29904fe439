"""Which JavaScript modules a module needs: the page names all of them, so that browsers need not find them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

from sysmonstm.gatewayd.web_files import WebFile

# Our own modules name each other by relative paths, at the beginning of lines.
_IMPORT = re.compile(rb'^(?:import|export) [^;"]*?from "(\.[^"]+)";|^import "(\.[^"]+)";', re.MULTILINE)


def needed(files: Mapping[str, WebFile], entry: str) -> list[str]:
    """Paths of the modules that the one at `entry` imports, and of those that these do, in the order they are met."""
    found: dict[str, None] = {}
    waiting = [entry]
    while waiting:
        path = waiting.pop(0)
        # In a source tree an editor may be writing it anew.
        body = files[path].body if path in files else b""
        for relative, alone in _IMPORT.findall(body):
            imported = posixpath.normpath(posixpath.join(posixpath.dirname(path), (relative or alone).decode()))
            if imported in files and imported not in found and imported != entry:
                found[imported] = None
                waiting.append(imported)
    return list(found)
