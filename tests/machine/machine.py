"""One booted machine: a Debian whose first process is systemd, on a layer of its own over the tree."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import psutil

from tests.machine.cgroups import ControlGroup
from tests.machine.network import BRIDGE, Network
from tests.machine.trees import make_layer

T = TypeVar("T")

# The machine shares two processors with two others and with whatever else runs on this host.
PATIENCE_SECONDS = 90.0

_BOOT = """
directory=$1 layers=$2 name=$3 bridge=$4
shift 4
for group; do echo $$ >"$group/cgroup.procs"; done
mount -t overlay overlay -o "lowerdir=$layers,upperdir=$directory/upper,workdir=$directory/work" "$directory/root"
exec systemd-nspawn --directory="$directory/root" --machine="$name" --boot --console=read-only --register=no \
    --keep-unit --settings=no --link-journal=no --resolv-conf=off --timezone=off --network-bridge="$bridge"
"""
_NETWORK = """
[Match]
Name=host0
[Network]
Address={address}/24
LinkLocalAddressing=no
"""


def eventually(what: str, ask: Callable[[], T | None], seconds: float = PATIENCE_SECONDS) -> T:
    """The first answer that is not None or False; fails, naming `what`, if there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer is not None and answer is not False:
            return answer
        assert time.monotonic() < deadline, f"in {seconds:.0f} s it was not so: {what}"
        time.sleep(0.1)


class Machine:
    """By its name; `files` are put into its tree before it boots."""

    def __init__(self, name: str, address: str, layers: str, directory: Path, network: Network) -> None:
        self.name = name
        self.address = address
        self._layers = layers
        self._directory = directory
        self._network = network
        self._group = ControlGroup(f"{directory.parent.name}-{name}")
        self._console = directory.with_suffix(".console")
        make_layer(directory)
        self.write("/etc/hostname", f"{name}\n")
        self.write("/etc/machine-id", f"{uuid.uuid4().hex}\n")
        # Before the one that systemd has for containers.
        self.write("/etc/systemd/network/10-host0.network", _NETWORK.format(address=address))

    def write(self, path: str, text: str) -> None:
        """Put a file into the tree; only while the machine is off."""
        file = self._directory / "upper" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def link(self, path: str, target: str) -> None:
        """Put a symbolic link into the tree; only while the machine is off."""
        file = self._directory / "upper" / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.symlink_to(target)

    def mask(self, *units: str) -> None:
        """Units that this machine does not have; only while it is off."""
        for unit in units:
            self.link(f"/etc/systemd/system/{unit}", "/dev/null")

    def start(self) -> None:
        """Switch it on. It is alone in its mount namespace, so that nothing stays mounted after it."""
        self._group.make()
        command = ["setpriv", "--pdeathsig", "TERM", *self._network.inside, "unshare", "--mount"]
        arguments = [str(self._directory), self._layers, self.name, BRIDGE, *map(str, self._group.directories)]
        with self._console.open("a") as console:
            self._process = subprocess.Popen(
                [*command, "--propagation", "private", "sh", "-eu", "-c", _BOOT, "sh", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={"PATH": os.environ["PATH"], "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                start_new_session=True,
            )

    def wait_until_booted(self) -> None:
        """Wait until every job of the boot is done; what is-system-running says then is another question."""
        self.leader = eventually(f"{self.name} has a first process", self._find_leader)
        # Offline: its first process is not systemd yet.
        under_way = ("", "offline", "initializing", "starting")
        eventually(f"{self.name} has booted", lambda: self.state() not in under_way)

    def _find_leader(self) -> int | None:
        assert self._process.poll() is None, f"{self.name} did not boot: {self._console.read_text()}"
        for child in psutil.Process(self._process.pid).children():
            status = Path(f"/proc/{child.pid}/status").read_text()
            if any(line.startswith("NSpid:") and line.split()[-1] == "1" for line in status.splitlines()):
                return child.pid
        return None

    def state(self) -> str:
        """What `systemctl is-system-running` says; empty before it can say anything."""
        return self.ask("systemctl", "is-system-running").stdout.strip()

    def console(self) -> str:
        """What was written to its console: of its first process, also before there was a journal."""
        return self._console.read_text(errors="replace")

    def reboot(self) -> None:
        """As `systemctl reboot` does it; returns when it has booted again."""
        self.ask("systemctl", "reboot")
        self._process.wait(PATIENCE_SECONDS)
        self._group.end()
        self.start()
        self.wait_until_booted()

    def stop(self) -> None:
        """Pull the plug."""
        self._group.end()
        self._process.wait(PATIENCE_SECONDS)

    def ask(
        self, *command: str, timeout: float = PATIENCE_SECONDS, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine as root, whatever comes of it."""
        return subprocess.run(
            self.entered(*command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            env={"PATH": "/opt/sysmonstm/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **(environment or {})},
        )

    def run(
        self, *command: str, timeout: float = PATIENCE_SECONDS, environment: Mapping[str, str] | None = None
    ) -> str:
        """What a command in the machine prints; fails if it does."""
        result = self.ask(*command, timeout=timeout, environment=environment)
        assert result.returncode == 0, f"{self.name}: {command} failed: {result.stdout}{result.stderr}"
        return result.stdout

    def entered(self, *command: str) -> list[str]:
        """The command, as it is run in the machine from outside."""
        return ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "--", *command]

    def path(self, path: str) -> Path:
        """A file of the running machine, as it is reached from outside."""
        return Path(f"/proc/{self.leader}/root") / path.lstrip("/")

    def show(self, unit: str, name: str) -> str:
        """A property of a unit, as systemd has it."""
        return self.run("systemctl", "show", "--value", "--property", name, unit).strip()

    def journal(self, *matches: str) -> list[dict[str, str]]:
        """Entries of the journal, the oldest first."""
        printed = self.run("journalctl", "--no-pager", "--quiet", "--output=json", *matches)
        return [json.loads(line) for line in printed.splitlines()]

    def now(self) -> str:
        """This instant, as journalctl's --since takes it."""
        return f"@{time.time():.6f}"
