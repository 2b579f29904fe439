"""What every error of our HTTP interfaces looks like to a client: a JSON problem (RFC 9457)."""

from __future__ import annotations

import json
import traceback
from http import HTTPStatus

from aiohttp import web

from sysmonstm import logs

CONTENT_TYPE = "application/problem+json"
# When to ask again what a moment may mend.
RETRY_SECONDS = 5

log = logs.logger(__name__)


class ProblemError(Exception):
    """The request ends here, with this status; `detail` is for people, `parameter` the one at fault.

    After `retry_seconds` it is worth asking again, if ever.
    """

    def __init__(
        self, status: HTTPStatus, detail: str, parameter: str | None = None, retry_seconds: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.parameter = parameter
        self.retry_seconds = retry_seconds


def bad_parameter(parameter: str, detail: str) -> ProblemError:
    """A parameter is nonsense."""
    return ProblemError(HTTPStatus.BAD_REQUEST, detail, parameter)


def not_found(parameter: str, detail: str) -> ProblemError:
    """What a parameter names is not there."""
    return ProblemError(HTTPStatus.NOT_FOUND, detail, parameter)


def response(status: int, detail: str, parameter: str | None = None, retry_seconds: int | None = None) -> web.Response:
    """The problem as an answer."""
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if parameter is not None:
        problem["parameter"] = parameter
    headers = None if retry_seconds is None else {"Retry-After": str(retry_seconds)}
    return web.Response(status=status, text=json.dumps(problem), content_type=CONTENT_TYPE, headers=headers)


def refusal(request: web.Request, error: web.HTTPException, nothing_here: str) -> web.Response:
    """What aiohttp itself refuses; `nothing_here` is said of a path that there is not."""
    details = {
        HTTPStatus.NOT_FOUND: nothing_here,
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible here",
    }
    answer = response(error.status, details.get(HTTPStatus(error.status), error.reason))
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


def bug(request: web.Request, daemon: str) -> web.Response:
    """For an error that nobody expected, called where it is caught: the log has the details, the answer none."""
    trace = traceback.format_exc()
    log.error("http.failed", "a request failed by a bug", method=request.method, path=request.path, traceback=trace)
    return response(HTTPStatus.INTERNAL_SERVER_ERROR, f"a bug; the log of {daemon} has the details")
