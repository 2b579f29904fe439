"""The numbers of PostgreSQL's advisory locks by which aggregators keep out of each other's way.

They are words in ASCII, so that a person who looks into pg_locks can tell them apart.
"""

from __future__ import annotations

# Held while the schema is brought up to date.
MIGRATE_LOCK = int.from_bytes(b"sysmon")

# A writer holds it shared from before it reads `tiers` until its commit; the roll-up takes it exclusively for the short
# transaction that moves tiers.claimed or tiers.kept_from. So what was written before is visible to whoever moved them,
# and what is written after knows of it.
CLAIM_LOCK = int.from_bytes(b"claim")

# One aggregator at a time moves cursors: two that met the same streams in opposite orders would deadlock. Locking the
# rows in order beforehand costs as much again as moving them; this is held only until the commit that follows at once.
CURSOR_LOCK = int.from_bytes(b"cursor")

# Held by the session of the one aggregator that rolls up.
LEADER_LOCK = int.from_bytes(b"leader")
