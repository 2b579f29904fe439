"""What mends a thing on NixOS, where files in /etc are made from the configuration and nobody installs packages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sysmonstm.ctl.doctor.finding import Finding

IN_CONFIGURATION = "in the NixOS configuration: "

# What a fix begins with, and what it is on NixOS; the first that fits holds, so the longer come first.
TABLE: Sequence[tuple[str, str]] = (
    ("sysmonctl install --role hub --now", "services.sysmonstm.hub.enable = true;"),
    (
        "sysmonctl install --role machine",
        'services.sysmonstm.collector = { enable = true; aggregatorUrls = [ "HUB:50051" ]; };',
    ),
    ("sysmonctl install --role hub", "services.sysmonstm.database.createLocally = true;"),
    ("sysmonctl install", "services.sysmonstm; then nixos-rebuild switch"),
    ("on the hub: sysmonctl install", "services.sysmonstm.aggregator.openFirewall = true; on the hub"),
    ("mend aggregator_url", "services.sysmonstm.collector.aggregatorUrls"),
    ("look at it: openssl", "services.sysmonstm.collector.tls.caFile"),
    ("look at tls_ca", "services.sysmonstm.collector.tls, and the hub's services.sysmonstm.aggregator.tls"),
    ("mend /etc/sysmonstm/", "the settings of services.sysmonstm"),
    ("write its value into", "a file, named by urlFile of services.sysmonstm.database or redis, or webhookUrlFile"),
    ("apt install redis-server", "services.redis.package, or a newer nixpkgs"),
    ("apt install libnss-systemd", "services.sysmonstm, which makes the accounts"),
    ("add `systemd` to the line", "services.sysmonstm, which makes the accounts"),
    ("systemctl enable ", "services.sysmonstm, whose units start by themselves; then nixos-rebuild switch"),
    ("echo ", 'boot.kernel.sysctl."net.ipv4.ip_local_reserved_ports"'),
)


def on_nixos(finding: Finding) -> Finding:
    """The same, with fixes that work there."""
    return replace(finding, fixes=tuple(_translated(fix) for fix in finding.fixes))


def _translated(fix: str) -> str:
    return next((IN_CONFIGURATION + there for start, there in TABLE if fix.startswith(start)), fix)
