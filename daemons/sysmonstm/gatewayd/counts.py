"""What the gateway counts of itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """What /metrics says of the gateway itself, since it started."""

    requests: int = 0
    failures: int = 0
    bus_away: int = 0
    websocket_messages: int = 0
    websocket_frames_skipped: int = 0
    websocket_events_lost: int = 0
    websocket_clients_dropped: int = 0
    websocket_held_back: int = 0
