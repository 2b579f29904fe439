"""Logs events that were stored, so that the hub's journal has all that concerns a machine."""

from __future__ import annotations

from collections.abc import Mapping

from sysmonstm import logs
from sysmonstm.wire import HUB_FAMILIES

log = logs.logger(__name__)

# What a machine tells of is logged under this name: it could call it anything.
REPORTED = "machine.reported"


def say(event: Mapping[str, object]) -> None:
    """Log an event, as /api/events shows it. Nothing there is worse than a warning to the hub itself."""
    kind, sentence = str(event["kind"]), str(event["message"])
    details = event["fields"] if isinstance(event["fields"], Mapping) else {}
    write = log.info if event["severity"] == "info" else log.warning
    if kind.partition(".")[0] in HUB_FAMILIES:
        write(kind, sentence, **{**details, "machine": event["machine"]})
    else:
        # Only the unit is a field of the entry: the names of the others are the machine's choice.
        unit = {"unit": details["unit"]} if "unit" in details else {}
        write(REPORTED, sentence, machine=event["machine"], kind=kind, **unit, details=dict(details))
