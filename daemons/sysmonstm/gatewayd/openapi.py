"""Describes the API for programs (OpenAPI 3.1). A test compares it with the routes and with what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from sysmonstm import __version__, problem
from sysmonstm.gatewayd import parameters, prometheus
from sysmonstm.gatewayd.schemas import SCHEMAS, Schema, array, reference
from sysmonstm.gatewayd.subscription import FEW_MACHINES, MAX_MACHINES, MAX_METRICS

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Parameter:
    """Something that a request may say; those in a path are always required."""

    name: str
    description: str
    schema: Schema
    required: bool = False
    where: str = "query"


@dataclass(frozen=True, slots=True)
class Operation:
    """A GET of a path: what it answers, and with which statuses besides 200."""

    path: str
    summary: str
    answer: Schema
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[int, ...] = ()
    content_type: str = JSON


TEXT: Schema = {"type": "string"}
NAME = Parameter("machine", "The machine's name", TEXT, required=True, where="path")
TIME: Schema = {"anyOf": [{"type": "number"}, {"type": "string", "format": "date-time"}]}


def _whole(default: int, cap: int) -> Schema:
    return {"type": "integer", "minimum": 1, "default": default, "description": f"More than {cap} is {cap}"}


OPERATIONS = (
    Operation("/", "The dashboard", TEXT, content_type="text/html"),
    Operation(
        "/api/machines",
        "All machines now",
        {"type": "object", "properties": {"machines": array(reference("Machine"))}, "required": ["machines"]},
        (Parameter("metrics", "Names of metrics, comma-separated, whose newest values to add", TEXT),),
        (400,),
    ),
    Operation(
        "/api/machines/{machine}/metrics",
        "Every metric of one machine with its newest values",
        reference("MachineMetrics"),
        (NAME,),
        (400, 404),
    ),
    Operation(
        "/api/machines/{machine}/history",
        "Min, mean and max of a metric in buckets of time, from which tier each part of it is, and what is lost in it",
        reference("History"),
        (
            NAME,
            Parameter("metric", "The metric's name, such as cpu.percent", TEXT, required=True),
            Parameter("instance", "Only this instance; all if not given", TEXT),
            Parameter("from", "Seconds since 1970, or ISO 8601; an hour before 'to' if not given", TIME),
            Parameter("to", "Seconds since 1970, or ISO 8601; now if not given", TIME),
            Parameter(
                "points",
                "How many buckets at most; none is narrower than two of the machine's intervals, or than what is kept",
                _whole(parameters.DEFAULT_POINTS, parameters.MAX_POINTS),
            ),
            Parameter("stream", "Only this stream, as 32 hexadecimal digits; all together if not given", TEXT),
        ),
        (400, 404, 503),
    ),
    Operation(
        "/api/history",
        "One metric of many machines in the same buckets of time, what is lost in them (of very many gaps the newest), "
        "the machines that have no such history, and those left out as their unit is not that of most",
        reference("FleetHistory"),
        (
            Parameter("metric", "The metric's name, such as cpu.percent", TEXT, required=True),
            Parameter(
                "machines", f"Names of {parameters.MAX_MACHINES} machines at most, comma-separated", TEXT, required=True
            ),
            Parameter("instance", "Only this instance; all if not given", TEXT),
            Parameter("from", "Seconds since 1970, or ISO 8601; an hour before 'to' if not given", TIME),
            Parameter("to", "Seconds since 1970, or ISO 8601; now if not given", TIME),
            Parameter(
                "points",
                "How many buckets at most; none is narrower than two of the longest interval, or than what is kept",
                _whole(parameters.DEFAULT_POINTS, parameters.MAX_POINTS),
            ),
        ),
        (400, 404, 503),
    ),
    Operation(
        "/api/metrics",
        "The catalogue of metrics",
        {"type": "object", "properties": {"metrics": array(reference("Metric"))}, "required": ["metrics"]},
        (),
        (400,),
    ),
    Operation(
        "/api/alerts",
        "What is wrong now, or may be soon",
        {"type": "object", "properties": {"alerts": array(reference("Alert"))}, "required": ["alerts"]},
        (),
        (400, 503),
    ),
    Operation(
        "/api/rules",
        "The rules that alerts come of, as sysmon-alertd goes by them now",
        {"type": "object", "properties": {"rules": array(reference("Rule"))}, "required": ["rules"]},
        (),
        (400, 503),
    ),
    Operation(
        "/api/events",
        "What happened: in a range of time by the times of it, else by when it was stored, newest first",
        {"type": "object", "properties": {"events": array(reference("Event"))}, "required": ["events"]},
        (
            Parameter("machine", "Only of this machine", TEXT),
            Parameter("kind", "Only of this kind, such as machine.new, or of a family of kinds, such as alert", TEXT),
            Parameter("from", "Seconds since 1970, or ISO 8601; no bound if not given", TIME),
            Parameter("to", "Seconds since 1970, or ISO 8601, itself excluded; no bound if not given", TIME),
            Parameter(
                "before",
                "Only those with a smaller id: the next page. In a range of time the id of an event whose time is 'to'",
                {"type": "integer", "minimum": 1},
            ),
            Parameter("limit", "How many at most", _whole(parameters.DEFAULT_EVENTS, parameters.MAX_EVENTS)),
        ),
        (400, 503),
    ),
    Operation(
        "/api/rejects",
        "Samples that were refused and kept apart, newest first",
        {"type": "object", "properties": {"rejects": array(reference("Reject"))}, "required": ["rejects"]},
        (
            Parameter("machine", "Only of this machine", TEXT),
            Parameter("limit", "How many at most", _whole(parameters.DEFAULT_REJECTS, parameters.MAX_REJECTS)),
        ),
        (400, 503),
    ),
    Operation("/api/openapi.json", "This description", {"type": "object"}, (), (400,)),
    Operation("/health", "The process answers", reference("Health")),
    Operation("/ready", "Each dependency and its state; 503 if one that is needed is down", reference("Ready")),
    Operation("/metrics", "For Prometheus", TEXT, content_type=prometheus.CONTENT_TYPE),
    Operation(
        "/static/{path}",
        "The dashboard's files; the page names them with a digest before the path, under which they never change",
        TEXT,
        (Parameter("path", "The file's path", TEXT, required=True, where="path"),),
        (404,),
        "application/octet-stream",
    ),
    Operation(
        "/ws",
        "WebSocket: a snapshot, then changes, as JSON text, deflated where that is agreed to. Send "
        '{"type":"subscribe","machines":["web1"],"metrics":["cpu.percent"]} for some machines and metrics only, '
        "null for all; a new snapshot follows, which names the metrics. Layouts hold only those then, under other ids. "
        f"Samples of more than {FEW_MACHINES} machines come together, once a second, the newest of each. "
        "Who takes messages slower than they come is sent the newest samples only. "
        '{"type":"forgotten","machines":["old1"]} names machines that are no more, subscribed to or not. '
        '{"type":"rules","since":…} says that /api/rules has other rules now, within some seconds. '
        '{"type":"beat","time":…} comes every 5 s, whatever happens. '
        '{"type":"error","detail":…} says why a subscription is refused; the one before stays. '
        "A gateway that stops closes with 1001 and a reason that says when to connect again",
        TEXT,
        (
            Parameter(
                "machines",
                f"What to begin with: names, comma-separated, at most {MAX_MACHINES}; all if not given",
                TEXT,
            ),
            Parameter(
                "metrics",
                f"The same for metrics, at most {MAX_METRICS}. None is shown if it is empty; all if not given",
                TEXT,
            ),
        ),
        (400, 403, 503),
    ),
)


QUERIES = {
    operation.path: frozenset(one.name for one in operation.parameters if one.where == "query")
    for operation in OPERATIONS
    if operation.path.startswith("/api/")
}
"""The parameters that each path of the API takes after a question mark."""


def document() -> dict[str, object]:
    """The description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sysmonstm",
            "version": __version__,
            "description": "A fleet of machines, live and in history. Times are seconds since 1970.",
        },
        "paths": {operation.path: {"get": _describe(operation)} for operation in OPERATIONS},
        "components": {"schemas": SCHEMAS},
    }


def _describe(operation: Operation) -> dict[str, object]:
    responses: dict[str, object] = {str(status): _describe_problem(status) for status in operation.problems}
    content = {operation.content_type: {"schema": operation.answer}}
    if operation.path == "/ws":
        responses["101"] = {"description": operation.summary}
    else:
        responses["200"] = {"description": operation.summary, "content": content}
    if operation.path == "/ready":
        responses["503"] = responses["200"]
    return {
        "summary": operation.summary,
        "parameters": [
            {
                "name": one.name,
                "in": one.where,
                "required": one.required,
                "description": one.description,
                "schema": one.schema,
            }
            for one in operation.parameters
        ],
        "responses": responses,
    }


def _describe_problem(status: int) -> dict[str, object]:
    described: dict[str, object] = {
        "description": "A problem",
        "content": {problem.CONTENT_TYPE: {"schema": reference("Problem")}},
    }
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        seconds = {"description": "In how many seconds it is worth asking again", "schema": {"type": "integer"}}
        described["headers"] = {"Retry-After": seconds}
    return described
