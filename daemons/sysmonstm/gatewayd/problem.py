"""What every error looks like to a client: a JSON problem (RFC 9457)."""

from __future__ import annotations

import json
from http import HTTPStatus

from aiohttp import web

CONTENT_TYPE = "application/problem+json"


class ProblemError(Exception):
    """The request ends here, with this status; `detail` is for people, `parameter` the one at fault."""

    def __init__(self, status: HTTPStatus, detail: str, parameter: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.parameter = parameter


def bad_parameter(parameter: str, detail: str) -> ProblemError:
    """A parameter is nonsense."""
    return ProblemError(HTTPStatus.BAD_REQUEST, detail, parameter)


def not_found(parameter: str, detail: str) -> ProblemError:
    """What a parameter names is not there."""
    return ProblemError(HTTPStatus.NOT_FOUND, detail, parameter)


def response(status: int, detail: str, parameter: str | None = None) -> web.Response:
    """The problem as an answer."""
    problem: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if parameter is not None:
        problem["parameter"] = parameter
    return web.Response(status=status, text=json.dumps(problem), content_type=CONTENT_TYPE)
