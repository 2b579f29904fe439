"""What keeps alertd from doing its work now: written by whoever meets it, read by whoever asks how it goes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Trouble:
    """Why each of what alertd needs cannot be used, in a sentence for people; empty while it can."""

    database: str = "it has not answered yet"
    redis: str = "it has not answered yet"
    # Of the last attempt to post a notification.
    webhook: str = ""
