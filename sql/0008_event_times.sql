-- What happened in a range of time, by family of kinds: a page of old alerts among a million other events.

CREATE INDEX events_by_family_and_time ON events (split_part(kind, '.', 1), time DESC, id DESC);
