"""/api/openapi.json against the routes and against what they answer."""

from __future__ import annotations

import inspect
import re
import time
from typing import Any

import pytest

from sysmonstm.gatewayd import api, app, fleet_history, history, openapi, parameters
from tests.gatewayd.fleet_publisher import LAYOUT, FleetPublisher, HistoryWriter
from tests.gatewayd.running_gateway import RunningGateway


def operations() -> dict[tuple[str, str], dict[str, Any]]:
    document: Any = openapi.document()
    return {(method, path): one for path, item in document["paths"].items() for method, one in item.items()}


def test_every_route_is_described_and_nothing_else() -> None:
    routes = [(route.method.lower(), route.path.replace(":.+}", "}")) for route in app.ROUTES]
    assert sorted(operations()) == sorted(routes)


def test_the_parameters_of_a_path_are_those_of_its_route() -> None:
    for (_, path), operation in operations().items():
        described = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert described == set(re.findall(r"{(\w+)}", path))
        assert all(one["required"] for one in operation["parameters"] if one["in"] == "path")


@pytest.mark.parametrize(
    ("path", "readers"),
    [
        ("/api/machines", (api.machines, parameters.metric_names)),
        ("/api/machines/{machine}/history", (history.history, parameters.history_request)),
        ("/api/history", (fleet_history.fleet_history, parameters.fleet_history_request)),
        ("/api/events", (api.events, parameters.events_request)),
        ("/api/rejects", (api.rejects,)),
        ("/api/alerts", (api.alerts,)),
        ("/api/rules", (api.rules,)),
        ("/api/metrics", (api.metrics,)),
        ("/api/machines/{machine}/metrics", (api.machine_metrics,)),
    ],
)
def test_the_query_parameters_are_those_that_the_code_reads(path: str, readers: tuple[Any, ...]) -> None:
    source = "".join(inspect.getsource(reader) for reader in readers)
    read = set(re.findall(r'query(?:\.get\(|, |\[)"(\w+)"', source))
    described = {one["name"] for one in operations()[("get", path)]["parameters"] if one["in"] == "query"}
    assert described == read


@pytest.mark.parametrize("path", sorted(openapi.QUERIES))
async def test_parameters_that_are_not_described_or_are_repeated_are_refused_by_name(
    gateway: RunningGateway, path: str
) -> None:
    address = path.replace("{machine}", "web1")
    problem = await gateway.get(f"{address}?form=1", 400)
    assert problem["parameter"] == "form" and "form" in problem["detail"]
    for name in openapi.QUERIES[path]:
        problem = await gateway.get(f"{address}?{name}=1&{name}=2", 400)
        assert problem["parameter"] == name and "more than once" in problem["detail"]


def fault(value: Any, schema: dict[str, Any], where: str = "answer") -> str | None:
    """What about the value does not fit the schema: as much of JSON Schema as the description uses."""
    if "$ref" in schema:
        document: Any = openapi.document()
        return fault(value, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], where)
    types: dict[str, Any] = {
        "string": str,
        "number": (int, float),
        "integer": int,
        "array": list,
        "object": dict,
        "boolean": bool,
    }
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(value is None if kind == "null" else isinstance(value, types[kind]) for kind in kinds):
        return f"{where} is {value!r}, not {kinds}"
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return f"{where} is {value!r}"
    if isinstance(value, list):
        faults = [fault(one, schema["items"], f"{where}[]") for one in value]
        return next(filter(None, faults), None)
    return _object_fault(value, schema, where) if isinstance(value, dict) else None


def _object_fault(value: dict[str, Any], schema: dict[str, Any], where: str) -> str | None:
    if missing := set(schema.get("required", ())) - value.keys():
        return f"{where} lacks {missing}"
    others = schema.get("additionalProperties", True)
    for name, member in value.items():
        known = schema.get("properties", {}).get(name, others)
        if known is False:
            return f"{where} has {name}, which is not described"
        if known is not True and (found := fault(member, known, f"{where}.{name}")):
            return found
    return None


async def test_answers_are_as_described(
    gateway: RunningGateway, publisher: FleetPublisher, writer: HistoryWriter
) -> None:
    publisher.show("web1", [1, 2, 3, 4], os="NixOS")
    publisher.publish(hellos=[publisher.hello("new")])
    machine = writer.machine("web1")
    writer.frame(machine, writer.layout(LAYOUT), time.time() - 60, [1, 2, 3, 4])
    stream, _ = writer.stream(machine)
    writer.gap(machine, stream, 1, 5, "shed", None, time.time() - 90)
    writer.reject(machine, stream, 7, "no", -(2**63))
    writer.event("machine.new", None, "new")
    writer.alert("hot", "web1", "firing", 1.0, threshold=None)
    await gateway.knows("web1")
    asked = {
        "/api/machines": "/api/machines?metrics=cpu.percent",
        "/api/machines/{machine}/metrics": "/api/machines/web1/metrics",
        "/api/machines/{machine}/history": "/api/machines/web1/history?metric=cpu.percent",
        "/api/history": "/api/history?metric=cpu.percent&machines=web1,nobody",
    }
    compared = 0
    for (_, path), operation in operations().items():
        content = operation["responses"].get("200", {}).get("content", {})
        # test_gateway_alertd.py looks at the rules, for which there must be an alertd.
        if "application/json" in content and path not in ("/ready", "/api/rules"):
            answer = await gateway.get(asked.get(path, path))
            assert fault(answer, content["application/json"]["schema"], path) is None
            compared += 1
    assert compared == 10
    problem = await gateway.get("/api/events?limit=0", status=400)
    assert fault(problem, {"$ref": "#/components/schemas/Problem"}) is None


def test_the_comparison_finds_what_does_not_fit() -> None:
    health = {"$ref": "#/components/schemas/Health"}
    assert fault({"status": "ok"}, health) is None
    wrongs: list[Any] = [{}, {"status": "bad"}, {"status": 1}, {"status": "ok", "more": 1}, []]
    for wrong in wrongs:
        assert fault(wrong, health)
