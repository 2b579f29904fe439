"""Whether Redis answers, takes what it is told, and forgets none of it to save memory."""

from __future__ import annotations

from collections.abc import Mapping

from sysmonstm.ctl.doctor.finding import Finding, fail, ok, unseen, warn
from sysmonstm.ctl.doctor.place import Place

SECONDS = 3.0
# Of those on this list none is older than what has been tried.
OLDEST = (6, 0)
NEARLY_FULL = 0.9
NOEVICTION = "redis-cli CONFIG SET maxmemory-policy noeviction && redis-cli CONFIG REWRITE"

Info = Mapping[str, object]


def check(place: Place) -> list[Finding]:
    """Ask the one of the aggregator, or whoever else is here."""
    user = next((one for one in ("aggregatord", "gatewayd", "alertd") if place.daemon(one)), None)
    if user is None:
        return []
    address = place.text(user, "redis_url")
    if not address:
        return [unseen("where Redis is could not be found out", "ask again as root: sudo sysmonctl doctor")]
    return _asked(address, place)


def _asked(address: str, place: Place) -> list[Finding]:
    # A machine that only sends may have no client of Redis installed.
    from redis import Redis
    from redis.exceptions import AuthenticationError, RedisError

    try:
        with Redis.from_url(address, socket_timeout=SECONDS, socket_connect_timeout=SECONDS) as client:
            client.ping()
            return judge(client.info())
    except AuthenticationError as error:
        return [unseen(f"Redis wants a password: {error}", "ask again as root: sudo sysmonctl doctor")]
    except (RedisError, OSError, ValueError) as error:
        return [fail(f"Redis does not answer: {error}", place.look("redis-server"))]


def judge(info: Info) -> list[Finding]:
    """What is to be said of what INFO says."""
    version = str(info.get("redis_version", ""))
    found = [*_judge_writes(info), *_judge_memory(info)]
    if _numbers(version) < OLDEST:
        found.append(warn(f"Redis {version} is older than what sysmonstm is tried with", "apt install redis-server"))
    return found or [ok(f"Redis {version} answers, and keeps all that it is told")]


def _judge_writes(info: Info) -> list[Finding]:
    if info.get("role") == "slave":
        return [fail("Redis is a replica and takes nothing", "name its primary in redis_url")]
    if info.get("loading"):
        return [warn("Redis is still reading its data", "wait for it: redis-cli INFO persistence")]
    if info.get("rdb_last_bgsave_status") == "err" and _number(info.get("rdb_changes_since_last_save")):
        return [
            warn(
                "Redis could not save its data, and may refuse to take more",
                "journalctl -e -u redis-server",
                "it holds nothing that lasts: redis-cli CONFIG SET stop-writes-on-bgsave-error no",
            )
        ]
    return []


def _judge_memory(info: Info) -> list[Finding]:
    most, used = _number(info.get("maxmemory")), _number(info.get("used_memory"))
    policy = str(info.get("maxmemory_policy", "noeviction"))
    if not most:
        return []
    # Nothing of ours expires: policies that look at what does find nothing to take away.
    if policy.startswith("allkeys"):
        sentence = f"Redis takes away what it holds when its memory is full ({policy}): machines would vanish"
        return [warn(sentence, NOEVICTION)]
    if used > NEARLY_FULL * most:
        sentence = f"Redis has used {used // 2**20} of its {most // 2**20} MiB, and refuses more then"
        return [warn(sentence, "redis-cli CONFIG SET maxmemory 0 && redis-cli CONFIG REWRITE")]
    return []


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
