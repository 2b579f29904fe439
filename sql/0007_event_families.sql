-- What happened, by family of kinds: the history of alerts ("alert.firing", "alert.resolved") among a million other events.

CREATE INDEX events_by_family ON events (split_part(kind, '.', 1), id DESC);
