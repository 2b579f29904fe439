"""What many browsers that watch many machines cost gatewayd: CPU, memory, and what each of them is sent."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.bench.hub import GATEWAY, Hub, daemon, running
from tests.bench.live_fleet import NAME
from tests.bench.processes import CpuMeter, resident_bytes
from tests.bench.watchers import Taken

# What the dashboard's list of machines shows.
FLEET_PAGE = (
    "cpu.percent",
    "memory.percent",
    "filesystem.percent",
    "network.received",
    "network.sent",
    "system.load1",
    "system.uptime",
)
FLEET = f"/ws?metrics={','.join(FLEET_PAGE)}"
SUBSCRIPTIONS = {"the metrics of the fleet page": FLEET, "all metrics": "/ws"}
# Of 20 browsers 11 show the fleet, 8 a machine of their own, and one compares some metric of all.
TURNS, SHOW_FLEET, SHOW_MACHINE = 20, 11, 8
COMPARED = ("cpu.percent", "memory.percent", "system.load1", "network.received", "filesystem.used", "cpu.core_percent")
MODES = ("same", "mixed", "stalled")


def main() -> None:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--values", type=int, default=100)
    parser.add_argument("--interval", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--settle", type=float, default=15.0)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--mode", choices=MODES, action="append", help="all if not given")
    arguments = parser.parse_args()
    print(
        f"gatewayd, {arguments.machines} machines of {arguments.values} values every {arguments.interval:g} s,"
        f" {arguments.clients} WebSocket clients:"
    )
    modes = arguments.mode or MODES
    with running() as hub, live_fleet(hub, arguments):
        if "same" in modes:
            for what, path in SUBSCRIPTIONS.items():
                for deflate in (True, False):
                    measure(hub, f"{what}, {'' if deflate else 'not '}deflated", [path], deflate, arguments)
        if "mixed" in modes:
            paths = mixed(arguments)
            measure(hub, f"{len(set(paths))} different subscriptions, deflated", paths, True, arguments)
        if "stalled" in modes:
            for what, path in SUBSCRIPTIONS.items():
                measure_stalled(hub, f"{what}, not deflated", path, arguments)


def mixed(arguments: argparse.Namespace) -> list[str]:
    """What each of the clients asks for."""
    paths = []
    for number in range(arguments.clients):
        turn = number % TURNS
        if turn < SHOW_FLEET:
            paths.append(FLEET)
        elif turn < SHOW_FLEET + SHOW_MACHINE:
            paths.append(f"/ws?machines={NAME.format(number % arguments.machines)}")
        else:
            paths.append(f"/ws?metrics={COMPARED[number // TURNS % len(COMPARED)]}")
    return paths


def wait_for_fleet(machines: int) -> None:
    """Until the gateway answers and knows all machines."""
    while True:
        try:
            with urllib.request.urlopen(f"http://{GATEWAY}/api/machines", timeout=10) as answer:
                if len(json.load(answer)["machines"]) == machines:
                    return
        except OSError:
            pass
        time.sleep(0.2)


@contextmanager
def live_fleet(hub: Hub, arguments: argparse.Namespace) -> Iterator[None]:
    """Machines that send, in a process of their own."""
    command = [sys.executable, "-m", "tests.bench.live_fleet", "--redis", hub.environment["REDIS_URL"]]
    for name in ("machines", "values", "interval"):
        command += [f"--{name}", str(getattr(arguments, name))]
    process = subprocess.Popen(command)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def command_of(paths: Sequence[str], arguments: argparse.Namespace, *options: str) -> list[str]:
    """How to start the clients."""
    command = [sys.executable, "-m", "tests.bench.watchers", "--address", GATEWAY, *options]
    for path in paths:
        command += ["--path", path]
    for name in ("clients", "settle", "seconds"):
        command += [f"--{name}", str(getattr(arguments, name))]
    return command


def measure(hub: Hub, what: str, paths: Sequence[str], deflate: bool, arguments: argparse.Namespace) -> None:
    """Print what a gateway costs that so many clients watch."""
    command = command_of(paths, arguments, *(["--deflate"] if deflate else []))
    with daemon("gatewayd", hub.environment | {"LOG_LEVEL": "ERROR"}) as gateway:
        wait_for_fleet(arguments.machines)
        before, opening = resident_bytes(gateway.pid), CpuMeter({"gatewayd": gateway.pid})
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as clients:
            await_line(clients, "opened")
            let_in = opening.used()["gatewayd"]
            await_line(clients, "counting")
            meter, began = CpuMeter({"gatewayd": gateway.pid}), time.monotonic()
            taken = Taken(**json.loads(await_line(clients)))
            share = meter.used()["gatewayd"] / (time.monotonic() - began)
            after = resident_bytes(gateway.pid)
    print(f"  {what}: {share:.1%} of a core, {after / 2**20:.0f} MiB resident, {before / 2**20:.0f} without clients")
    tell(taken, let_in)


def measure_stalled(hub: Hub, what: str, path: str, arguments: argparse.Namespace) -> None:
    """Print what a gateway keeps for so many clients that read nothing, at most, until it lets go of them."""
    command = command_of([path], arguments, "--stall")
    with daemon("gatewayd", hub.environment | {"LOG_LEVEL": "ERROR"}) as gateway:
        wait_for_fleet(arguments.machines)
        before = most = resident_bytes(gateway.pid)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as clients:
            await_line(clients, "opened")
            while clients.poll() is None:
                most = max(most, resident_bytes(gateway.pid))
                time.sleep(0.2)
        print(
            f"  {arguments.clients} that read nothing, {what}: {most / 2**20:.0f} MiB resident at most,"
            f" {before / 2**20:.0f} without clients",
            flush=True,
        )


def await_line(clients: subprocess.Popen[str], expected: str = "") -> str:
    """The next line that the clients print."""
    assert clients.stdout
    line = clients.stdout.readline().strip()
    assert line and line.startswith(expected), "the clients have ended; see above"
    return line


def tell(taken: Taken, let_in: float) -> None:
    """Print what the clients were sent."""
    each = taken.clients * taken.seconds
    print(
        f"    a client is sent {taken.messages / each:.2f} messages and {taken.octets / each / 1000:.1f} kB a second"
        f" (the least of them {taken.least_octets / taken.seconds / 1000:.1f}),"
        f" {taken.samples / taken.seconds:.0f} samples a second, {taken.median_age:.2f} s old at the median"
    )
    print(
        f"    all were let in within {taken.opening_seconds:.1f} s and {let_in:.2f} s of CPU,"
        f" with {taken.opening_octets / taken.clients / 1000:.0f} kB each",
        flush=True,
    )


if __name__ == "__main__":
    main()
