-- Delivery: how far each stream has come, what of it is lost, and what was refused.

-- By how much the machine's clock was ahead of the hub's when it last differed by more than a second from what is here.
ALTER TABLE machines ADD skew_seconds real NOT NULL DEFAULT 0;

ALTER TABLE streams
    -- Time of the frame at durable_seq; NULL where that was a gap or was refused.
    ADD durable_time timestamptz,
    -- When durable_seq last moved, by this server's clock.
    ADD moved timestamptz NOT NULL DEFAULT now(),
    -- Another host sends under the same name at the same time, and an event has said so.
    ADD doubled boolean NOT NULL DEFAULT false;
CREATE INDEX streams_by_machine ON streams (machine);

-- Frames that are lost for good, as the collector says.
CREATE TABLE gaps (
    machine integer NOT NULL REFERENCES machines ON DELETE CASCADE,
    stream integer NOT NULL REFERENCES streams ON DELETE CASCADE,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL CHECK (last_seq >= first_seq),
    reason text NOT NULL CHECK (reason IN ('shed', 'damaged', 'unknown')),
    -- Times of the frames before and after it; NULL where that is not known.
    from_time timestamptz,
    to_time timestamptz,
    noted timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stream, first_seq)
);
CREATE INDEX gaps_by_machine ON gaps (machine, noted);

-- Quarantine: frames that were refused, as they came. Their times and values are not to be trusted.
CREATE TABLE rejects (
    machine integer NOT NULL REFERENCES machines ON DELETE CASCADE,
    stream integer NOT NULL REFERENCES streams ON DELETE CASCADE,
    seq bigint NOT NULL,
    received timestamptz NOT NULL DEFAULT now(),
    -- A sentence for people.
    reason text NOT NULL,
    -- Microseconds since 1970 by the machine's clock: it may lie where timestamptz has no words.
    time_us bigint NOT NULL,
    -- NULL where the layout was never known.
    layout integer REFERENCES layouts,
    values real[] NOT NULL,
    PRIMARY KEY (stream, seq)
);
CREATE INDEX rejects_by_machine ON rejects (machine, received);
CREATE INDEX rejects_by_received ON rejects (received);
