"""The files that machines boot from: layers that are made once, and the project's wheel on top of them."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = Path("/opt/sysmonstm")
LAYERS = "SYSMON_TEST_MACHINE_LAYERS"
# What a wheel is made from; it is built from a copy, as a build writes into its tree and others read there.
SOURCES = ("daemons", "proto", "sql", "units", "web", "pyproject.toml", "README.md", "LICENSE")

_INSTALL = """
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
cp "$3" "$1/root/var/tmp/"
chroot "$1/root" "$4/bin/pip" install --quiet --no-index --no-deps "/var/tmp/${3##*/}"
"""


def why_not() -> str | None:
    """What is missing on this machine for booting others; None if nothing is."""
    if os.geteuid() != 0:
        return "only root can boot machines"
    if shutil.which("systemd-nspawn") is None or not os.environ.get(LAYERS):
        return "there is no tree to boot; `make test-machines` makes it, as root on Debian, and runs these"
    return None


def build_wheel(directory: Path) -> Path:
    """The wheel of this checkout."""
    source = directory / "source"
    source.mkdir(parents=True)
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"), symlinks=True)
        elif (ROOT / name).exists():
            shutil.copy2(ROOT / name, source)
    wheels = directory / "wheels"
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    subprocess.run([*command, wheels, source], check=True, timeout=300)
    (wheel,) = wheels.glob("*.whl")
    return wheel


def renumbered(wheel: Path, version: str) -> Path:
    """The same wheel as another version, beside it."""
    name, old, tags = wheel.name.split("-", 2)
    before, after = f"{name}-{old}.dist-info/", f"{name}-{version}.dist-info/"
    target = wheel.with_name(f"{name}-{version}-{tags}")
    record = []
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as result:
        for info in source.infolist():
            path, content = info.filename.replace(before, after), source.read(info)
            if path == f"{after}RECORD":
                continue
            if path in (f"{after}METADATA", f"{name}/__init__.py"):
                content = content.replace(old.encode(), version.encode(), 1)
                assert version.encode() in content, path
            result.writestr(path, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append(f"{path},sha256={digest},{len(content)}\n")
        result.writestr(f"{after}RECORD", "".join([*record, f"{after}RECORD,,\n"]))
    return target


def make_layer(directory: Path) -> None:
    """Where overlayfs has what it needs for a layer that can be written."""
    for name in ("upper", "work", "root"):
        (directory / name).mkdir(parents=True)


def bare() -> str:
    """The layers of a machine that has what the project needs, and not the project."""
    return os.environ[LAYERS]


def installed(directory: Path, wheel: Path) -> str:
    """The layers with the wheel in their environment.

    What is mounted for it is seen by its own processes alone, and goes with them.
    """
    layers = bare()
    make_layer(directory)
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-eu", "-c", _INSTALL, "sh"]
    subprocess.run([*command, directory, layers, wheel, ENVIRONMENT], check=True, timeout=300)
    return f"{directory / 'upper'}:{layers}"
