"""A machine that has the units, settings and accounts that the NixOS module makes, in place of `sysmonctl install`.

Its tree is a Debian's. What the module takes from NixOS is put to where it says that it is: the package is installed
at its path in the store, and paths of other packages there are links to what Debian has of them. NixOS's own units for
PostgreSQL and Redis, to which the module adds, have stand-ins here.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.machine import trees
from tests.machine.machine import Machine
from tests.machine.network import Network
from tests.nix import rendering
from tests.units.unit_files import daemons

POSTGRESQL = "/usr/lib/postgresql/17"
# What a path of the store leads to on Debian, by the name of its package.
LINKS = {"systemd": "/usr", "coreutils": "/usr", "postgresql": POSTGRESQL}
SITE = "lib/python3.13/site-packages"
_STORE_PATH = re.compile(r"/nix/store/[0-9a-z]{32}-[\w.-]+")

# The package is installed as nix/package.nix installs it, and its commands get wrappers as nixpkgs makes them. What
# follows the first eight arguments is the accounts to be made.
_INSTALL = r"""
layer=$1 below=$2 wheel=$3 environment=$4 package=$5 site=$6 kill=$7 names=$8
shift 8
mount -t overlay overlay -o "lowerdir=$below,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
cp "$wheel" "$layer/root/var/tmp/"
cp "$INSTALL" "$layer/root/var/tmp/install.sh"
chroot "$layer/root" sh -eu -c '
    environment=$1 package=$2 site=$3 kill=$4 names=$5 wheel=$6
    shift 6
    "$environment/bin/pip" install --quiet --no-index --no-deps --target "$package/$site" "/var/tmp/$wheel"
    mv "$package/$site/bin" "$package/bin"
    out=$package site=$package/$site kill=$kill bash /var/tmp/install.sh $names
    for command in "$package"/bin/*; do
        hidden=$package/bin/.$(basename "$command")-wrapped
        mv "$command" "$hidden"
        printf "#!/bin/sh\nexport PYTHONPATH=%s\nexec %s \"\$@\"\n" "$package/$site" "$hidden" >"$command"
        chmod 755 "$command"
    done
    for account; do
        getent group "$account" >/dev/null || groupadd --system "$account"
        [ "$account" = sysmon ] || getent passwd "$account" >/dev/null ||
            useradd --system --gid "$account" --no-create-home --shell /usr/sbin/nologin "$account"
    done
' sh "$environment" "$package" "$site" "$kill" "$names" "${wheel##*/}" "$@"
"""

_POSTGRESQL_TARGET = """[Unit]
Requires=postgresql.service
After=postgresql.service postgresql@17-main.service
"""
_REDIS = """[Service]
Type=notify
User={user}
RuntimeDirectory={user}
RuntimeDirectoryMode=0750
ExecStart=/usr/bin/redis-server --supervised systemd --port 0 --save "" --unixsocket {socket} --unixsocketperm {mode}
"""


def package_of(scenario: rendering.Scenario) -> str:
    """The store path of the package."""
    (path,) = scenario["packages"]["systemd"]
    return str(path)


def nixos(
    name: str, address: str, scenario: rendering.Scenario, directory: Path, network: Network, wheel: Path
) -> Machine:
    """A machine that is ready to be booted."""
    layers = _installed(directory / f"{name}.package", scenario, wheel)
    machine = Machine(name, address, layers, directory / name, network)
    _write_settings(machine, scenario)
    _write_units(machine, directory / f"{name}.units", scenario)
    for path in _store_paths(scenario):
        package = path.split("-", 1)[1]
        if package in LINKS:
            machine.link(path, LINKS[package])
    return machine


def _store_paths(scenario: rendering.Scenario) -> set[str]:
    return set(_STORE_PATH.findall(repr(scenario)))


def _installed(directory: Path, scenario: rendering.Scenario, wheel: Path) -> str:
    """The layers of a machine that has the package and the accounts."""
    layers = trees.bare()
    trees.make_layer(directory)
    package = package_of(scenario)
    coreutils = next((path for path in _store_paths(scenario) if path.endswith("-coreutils")), "/usr")
    accounts = [*scenario["users"], *scenario["groups"], *(one["user"] for one in scenario["redis"].values())]
    names = " ".join(daemons()) if package.endswith("-sysmonstm-0.1.0") else "collectord"
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-eu", "-c", _INSTALL, "sh"]
    paths = [str(path) for path in (directory, wheel, trees.ENVIRONMENT)]
    arguments = [paths[0], layers, *paths[1:], package, SITE, f"{coreutils}/bin/kill", names]
    environ = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "INSTALL": str(trees.ROOT / "nix/install.sh")}
    subprocess.run([*command, *arguments, *sorted(set(accounts))], check=True, timeout=300, env=environ)
    return f"{directory / 'upper'}:{layers}"


def _write_settings(machine: Machine, scenario: rendering.Scenario) -> None:
    for path, text in rendering.rules(scenario).items():
        machine.write(path, text)
    for name, file in scenario["etc"].items():
        if "text" in file:
            machine.write(f"/etc/{name}", file["text"])
        else:
            machine.write(file["path"], rendering.settings(scenario, Path(name).stem))
            machine.link(f"/etc/{name}", file["path"])
    lines = [f"{name} = {value}\n" for name, value in scenario["sysctl"].items()]
    machine.write("/etc/sysctl.d/60-nixos.conf", "".join(lines))
    for name, rules in scenario["tmpfiles"].items():
        machine.write(f"/etc/tmpfiles.d/{name}.conf", "".join(_tmpfiles_lines(rules)))


def _tmpfiles_lines(rules: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        f"{kind} {path} - - - - {one['argument']}\n" for path, kinds in rules.items() for kind, one in kinds.items()
    ]


def _write_units(machine: Machine, scratch: Path, scenario: rendering.Scenario) -> None:
    """Those of the package are linked, as NixOS links them; what the module adds is beside them."""
    package = package_of(scenario)
    whole = package.endswith("-sysmonstm-0.1.0")
    names = daemons() if whole else ["collectord"]
    packaged = [f"sysmon-{daemon}.{kind}" for daemon in names for kind in ("service", "socket")]
    packaged += ["sysmon.target", "sysmon.slice"]
    for unit in (*packaged, "sysmon-.service.d"):
        machine.link(f"/etc/systemd/system/{unit}", f"{package}/lib/systemd/system/{unit}")
    scratch.mkdir()
    rendering.put_units(scenario, scratch, packaged)
    for path, text in rendering.scripts(scenario).items():
        machine.write(path, text)
    for file in sorted(scratch.rglob("*")):
        place = f"/etc/systemd/system/{file.relative_to(scratch)}"
        if file.is_symlink():
            machine.link(place, str(file.readlink()))
        elif file.is_file():
            machine.write(place, file.read_text())
    _write_stores(machine, scenario)


def _write_stores(machine: Machine, scenario: rendering.Scenario) -> None:
    if not scenario["postgresql"]["enable"]:
        machine.mask("postgresql.service", "redis-server.service")
        return
    machine.mask("redis-server.service")
    libraries = ",".join(scenario["postgresql"]["libraries"])
    machine.write("/etc/postgresql/17/main/conf.d/nixos.conf", f"shared_preload_libraries = '{libraries}'\n")
    machine.write("/etc/systemd/system/postgresql.target", _POSTGRESQL_TARGET)
    machine.link("/etc/systemd/system/multi-user.target.wants/postgresql.target", "../postgresql.target")
    for name, server in scenario["redis"].items():
        values = {"user": server["user"], "socket": server["unixSocket"], "mode": server["unixSocketPerm"]}
        machine.write(f"/etc/systemd/system/redis-{name}.service", _REDIS.format(**values))
        machine.link(f"/etc/systemd/system/multi-user.target.wants/redis-{name}.service", f"../redis-{name}.service")


def add_system(machine: Machine, name: str, revision: str) -> str:
    """Put a system of NixOS into the store, with a kernel of its own, as a collector reads it: its path."""
    path = f"/nix/store/{'0' * 32}-nixos-system-{machine.name}-{name}"
    machine.write(f"{path}/nixos-version", name)
    machine.write(f"{path}/etc/sysmonstm/configuration-revision", f"{revision}\n")
    for part in ("kernel", "initrd", "kernel-modules"):
        target = f"/nix/store/{'1' * 32}-{part}-{name}/file"
        machine.write(target, "")
        machine.link(f"{path}/{part}", target)
    return path


def boot_into(machine: Machine, system: str) -> None:
    """Have the machine boot a system that is its generation 1."""
    machine.link("/nix/var/nix/profiles/system-1-link", system)
    machine.link("/nix/var/nix/profiles/system", "system-1-link")
    links = "".join(f"L+ /run/{name}-system - - - - {system}\n" for name in ("booted", "current"))
    machine.write("/etc/tmpfiles.d/00-system.conf", links)


SWITCH = """
ln --symbolic --no-dereference --force "$1" /nix/var/nix/profiles/system-2-link
ln --symbolic --no-dereference --force system-2-link /nix/var/nix/profiles/system
ln --symbolic --no-dereference --force "$1" /run/current-system
"""
"""What `nixos-rebuild switch` does to the links, for sh: generation 2 is the system $1."""
