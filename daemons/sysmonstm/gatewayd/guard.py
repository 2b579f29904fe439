"""Keeps other sites' pages from using a visitor's browser against us, and errors from showing more than a problem."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Awaitable, Callable, Container, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from sysmonstm import problem
from sysmonstm.gatewayd import parameters
from sysmonstm.gatewayd.counts import Counts
from sysmonstm.gatewayd.pool import DatabaseError
from sysmonstm.problem import ProblemError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        # No text becomes code or markup, whatever a machine says: not even our own code may try.
        "require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "sysmon-gatewayd",
}
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Set the headers that every answer has; what changes is never kept by a browser without asking."""
    response.headers.update(HEADERS)
    response.headers.setdefault("Cache-Control", "no-store")


def own_names() -> frozenset[str]:
    """How this host is called."""
    return frozenset({socket.gethostname().lower(), socket.getfqdn().lower()})


def is_known_host(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header is an IP address, localhost, or one of `names` (lower case), with any port.

    A page of another site can have its name resolve to our address (DNS rebinding), but not make the browser say ours.
    """
    name = _split(host)[0]
    if name == "localhost" or name.endswith(".localhost") or name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def check_origin(headers: Mapping[str, str]) -> None:
    """Refuse a WebSocket that another site's page opens: browsers always say the page's origin."""
    origin, host = headers.get("Origin"), headers.get("Host", "")
    if origin is None:
        return
    try:
        parts = urlsplit(origin)
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        parts, port = urlsplit(""), None
    name, host_port = _split(host)
    if not parts.hostname or (parts.hostname.rstrip("."), port) != (name, host_port or DEFAULT_PORTS.get(parts.scheme)):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "the page that asks is not one of this server's; a proxy in between must pass the Host header on",
        )


def _split(host: str) -> tuple[str, int | None]:
    """Name in lower case without brackets, and port if given, of a Host header; ("", None) if it is none."""
    try:
        parts = urlsplit(f"//{host}")
        port = parts.port
    except ValueError:
        return "", None
    plain = parts.netloc == host and "@" not in host
    return ((parts.hostname or "").rstrip("."), port) if plain else ("", None)


class Hosts:
    """The names by which we may be asked for; the allowed ones may change while we serve."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        # Asked once: a resolver may take its time, and changes come while requests are served.
        self._own = own_names()
        self.allow(allowed)

    def allow(self, allowed: tuple[str, ...]) -> None:
        """Allow these (lower case) from now on, besides our own."""
        self._names = self._own | frozenset(allowed)

    def knows(self, host: str) -> bool:
        """Whether a Host header is for us."""
        return is_known_host(host, self._names)


def host_middleware(hosts: Hosts) -> Middleware:
    """Refuse requests for hosts that are not ours.

    Those of a unix socket too: they come from a proxy, which passes on what a rebound name made a browser say.
    """

    @web.middleware
    async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host")
        # Only HTTP/1.0 may leave it out, and no browser speaks that.
        if host is not None and not hosts.knows(host):
            raise ProblemError(
                HTTPStatus.MISDIRECTED_REQUEST,
                "this server does not know the host name that the request gives; if it is right, "
                "add it to GATEWAY_ALLOWED_HOSTS",
            )
        return await handler(request)

    return check_host


@web.middleware
async def refuse_other_sites(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what another site's page has a browser ask for, but for a link that is followed.

    It could not read the answer, but have each of its visitors ask us for years of history. By Fetch Metadata, which
    browsers send to https:// and to localhost; without it nothing is known and all are answered.
    """
    fetch = request.headers.get
    followed = (fetch("Sec-Fetch-Mode"), fetch("Sec-Fetch-Dest")) == ("navigate", "document")
    if fetch("Sec-Fetch-Site") in {"cross-site", "same-site"} and not followed:
        raise ProblemError(HTTPStatus.FORBIDDEN, "the page that asks is another site's")
    return await handler(request)


def query_middleware(queries: Mapping[str, Container[str]]) -> Middleware:
    """Refuse parameters that a path does not take; `queries` are the paths that are particular, and what they take."""

    @web.middleware
    async def check_query(request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        known = queries.get(resource.canonical) if resource else None
        if known is not None:
            # Its keys alone leave out repetitions.
            parameters.only((name for name, _ in request.query.items()), known)
        return await handler(request)

    return check_query


def problem_middleware(counts: Counts) -> Middleware:
    """Make every error a JSON problem; what nobody expected goes to the log, and only there."""

    @web.middleware
    async def make_problem(request: web.Request, handler: Handler) -> web.StreamResponse:
        counts.requests += 1
        try:
            return await handler(request)
        except ProblemError as error:
            return problem.response(error.status, error.detail, error.parameter, error.retry_seconds)
        except DatabaseError as error:
            return problem.response(HTTPStatus.SERVICE_UNAVAILABLE, str(error), retry_seconds=error.retry_seconds)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return problem.refusal(request, error, "there is nothing here; /api/openapi.json says what there is")
        except ConnectionError:
            raise  # the client is gone
        except Exception:  # noqa: BLE001 - the last resort for a bug in a handler: this request fails, the others go on
            counts.failures += 1
            return problem.bug(request, "sysmon-gatewayd")

    return make_problem
