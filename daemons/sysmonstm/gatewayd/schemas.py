"""The shapes of the API's answers, as JSON schemas."""

from __future__ import annotations

from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]


def array(items: Schema) -> Schema:
    """A list of these."""
    return {"type": "array", "items": items}


def reference(name: str) -> Schema:
    """One of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _map(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


TEXT: Schema = {"type": "string"}
# null: a rule about silence has none.
TEXT_OR_NULL: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": "number"}
INTEGER: Schema = {"type": "integer"}
# null: not read, or not known.
NUMBER_OR_NULL: Schema = {"type": ["number", "null"]}
NUMBERS = array(NUMBER_OR_NULL)
SECONDS: Schema = {"type": "number", "description": "Seconds since 1970"}
SECONDS_OR_NULL: Schema = {"type": ["number", "null"], "description": "Seconds since 1970"}
SKEW: Schema = {
    "type": ["number", "null"],
    "description": "By how many seconds its clock is ahead of the hub's, the way of its newest sample included",
}
TIER: Schema = {"type": "string", "enum": ["raw", "minute", "hour"]}
GAP_REASON: Schema = {"type": "string", "enum": ["shed", "damaged", "unknown"]}
MACHINE_STATE: Schema = {"type": "string", "enum": ["up", "silent", "waiting"]}
SEVERITY: Schema = {"type": "string", "enum": ["info", "warning", "critical"]}
KIND: Schema = {"type": "string", "enum": ["gauge", "rate", "flag"]}

_METRIC: dict[str, Schema] = {"metric": TEXT, "unit": TEXT, "kind": KIND, "help": TEXT, "instance_label": TEXT}

SCHEMAS: dict[str, Schema] = {
    "Machine": _object(
        {
            "machine": TEXT,
            "state": MACHINE_STATE,
            "time": SECONDS_OR_NULL,
            "received": SECONDS_OR_NULL,
            "skew_seconds": SKEW,
            "interval_seconds": NUMBER,
            "agent_version": TEXT,
            "facts": _map(TEXT),
            "tags": array(TEXT),
            "values": _map(_map(NUMBER_OR_NULL)),
        },
        optional=("values",),
    ),
    "Metric": _object(_METRIC),
    "MachineMetrics": _object(
        {
            "machine": TEXT,
            "state": MACHINE_STATE,
            "time": SECONDS_OR_NULL,
            "metrics": array(
                _object(_METRIC | {"values": array(_object({"instance": TEXT, "value": NUMBER_OR_NULL}))})
            ),
        }
    ),
    "History": _object(
        {
            "machine": TEXT,
            "first_seen": SECONDS,
            "metric": TEXT,
            "unit": TEXT,
            "kind": KIND,
            "from": SECONDS,
            "to": SECONDS,
            "step_seconds": NUMBER,
            "tiers": array(_object({"tier": TIER, "from": SECONDS, "to": SECONDS})),
            "gaps": array(
                _object({"from": SECONDS_OR_NULL, "to": SECONDS_OR_NULL, "frames": INTEGER, "reason": GAP_REASON})
            ),
            "times": array(SECONDS),
            "series": array(_object({"instance": TEXT, "min": NUMBERS, "mean": NUMBERS, "max": NUMBERS})),
        }
    ),
    "FleetHistory": _object(
        {
            "metric": TEXT,
            "unit": TEXT,
            "kind": KIND,
            "from": SECONDS,
            "to": SECONDS,
            "step_seconds": NUMBER,
            "gaps": array(
                _object(
                    {
                        "machine": TEXT,
                        "from": SECONDS_OR_NULL,
                        "to": SECONDS_OR_NULL,
                        "frames": INTEGER,
                        "reason": GAP_REASON,
                    }
                )
            ),
            "unknown": array({"type": "string", "description": "A machine that has no such history"}),
            "left_out": array(_object({"machine": TEXT, "unit": TEXT})),
            "times": array(SECONDS),
            "series": array(
                _object({"machine": TEXT, "instance": TEXT, "min": NUMBERS, "mean": NUMBERS, "max": NUMBERS})
            ),
        }
    ),
    "Reject": _object(
        {
            "machine": TEXT,
            "stream": TEXT,
            "seq": INTEGER,
            "received": SECONDS,
            "reason": TEXT,
            "time": {"type": "number", "description": "Seconds since 1970 as its machine's clock said, perhaps absurd"},
            "values": {"type": "integer", "description": "How many values it had"},
        }
    ),
    "Alert": _object(
        {
            "rule": TEXT,
            "severity": SEVERITY,
            "state": {"type": "string", "enum": ["pending", "firing"]},
            "machine": TEXT,
            "metric": TEXT,
            "instance": TEXT,
            "value": NUMBER_OR_NULL,
            "threshold": NUMBER_OR_NULL,
            "since": SECONDS,
            "message": TEXT,
        }
    ),
    "Rule": _object(
        {
            "rule": TEXT,
            "source": {"type": "string", "enum": ["default", "changed", "file"]},
            "severity": SEVERITY,
            "machine": TEXT,
            "for_seconds": NUMBER,
            "silent": {"type": "boolean"},
            "metric": TEXT_OR_NULL,
            "instance": TEXT_OR_NULL,
            "comparison": TEXT_OR_NULL,
            "threshold": NUMBER_OR_NULL,
            "clear": NUMBER_OR_NULL,
            "message": TEXT,
            "resolved": TEXT,
            "firing": INTEGER,
            "pending": INTEGER,
        }
    ),
    "Event": _object(
        {
            "id": INTEGER,
            "time": SECONDS,
            "kind": TEXT,
            "severity": SEVERITY,
            "machine": {"type": ["string", "null"]},
            "message": TEXT,
            "fields": {"type": "object"},
        }
    ),
    "Health": _object({"status": {"type": "string", "const": "ok"}}),
    "Ready": _object(
        {
            "ready": {"type": "boolean"},
            "dependencies": _map(
                _object(
                    {"state": {"type": "string", "enum": ["up", "down"]}, "needed": {"type": "boolean"}, "detail": TEXT}
                )
            ),
        }
    ),
    "Problem": _object(
        {"type": TEXT, "title": TEXT, "status": INTEGER, "detail": TEXT, "parameter": TEXT}, optional=("parameter",)
    ),
}
