"""What an address of Redis or of PostgreSQL looks like, said before anything connects to one."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# libpq's `key=value ...`: a value is quoted, or ends at a space.
_SETTING = r"(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|(?!')(?:[^\s\\]|\\.)*)"
_SETTINGS = re.compile(rf"\s*{_SETTING}(?:\s+{_SETTING})*\s*")
# User and password, then hosts, each a name or an address in brackets, and its port.
_HOST = r"(?:\[[0-9A-Fa-f:.%]+\]|[^][:@/?#,\s]*)(?::([0-9]*))?"
_DATABASE_URL = re.compile(
    rf"postgres(?:ql)?://(?:[^@/]*@)?(?P<hosts>{_HOST}(?:,{_HOST})*)(?:/[^?]*)?(?:\?(?P<query>.*))?"
)


def redis_address(url: str) -> str:
    """An address that redis-py takes, but for what it may say after a question mark."""
    if not _is_redis(url):
        raise ValueError(
            "this is no address of a Redis; one looks like redis://localhost:6379 or unix:///run/redis.sock"
        )
    return url


def _is_redis(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port if parts.scheme != "unix" else None
    except ValueError:
        return False
    if parts.scheme == "unix":
        return url.startswith("unix://") and len(parts.path) > 1 and not parts.hostname
    number = parts.path.strip("/")
    return (
        url.startswith(("redis://", "rediss://"))
        and bool(parts.hostname)
        and port != 0
        and (not number or number.isdecimal())
    )


def database_address(address: str) -> str:
    """An address that libpq takes, but for the names of the settings in it."""
    ports = _ports(address)
    if ports is None or not all(port.isdecimal() and 0 < int(port) < 65536 for port in ports if port):
        raise ValueError(
            "this is no address of a database; one looks like postgresql://user:password@host:5432/database "
            "or host=/run/postgresql dbname=monitor"
        )
    return address


def _ports(address: str) -> list[str] | None:
    """Every port that an address names, perhaps as an empty text; None if it is no address."""
    if "://" in address.split("=")[0]:
        found = _DATABASE_URL.fullmatch(address)
        if not found:
            return None
        words = [word.partition("=") for word in (found["query"] or "").split("&") if word]
        if not all(separator for _, separator, _ in words):
            return None
        hosts = [host.rpartition("]")[2].partition(":")[2] for host in found["hosts"].split(",")]
    elif _SETTINGS.fullmatch(address):
        words = [(name, "=", value.strip("'")) for name, value in re.findall(_SETTING, address)]
        hosts = []
    else:
        return None
    return hosts + [port for name, _, value in words if name == "port" for port in value.split(",")]
