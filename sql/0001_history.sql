-- History: one row for each machine and sample, and the tables that give its numbers their names.

CREATE TABLE machines (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    first_seen timestamptz NOT NULL DEFAULT now(),
    -- The newest Hello: what the collector said of itself.
    stream bytea NOT NULL,
    interval_seconds real NOT NULL,
    agent_version text NOT NULL,
    facts jsonb NOT NULL
);

-- A stream is an unbroken run of seq of one collector; see design in proto/sysmon/v1/ingest.proto.
CREATE TABLE streams (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream bytea NOT NULL UNIQUE,
    machine integer NOT NULL REFERENCES machines ON DELETE CASCADE,
    first_seen timestamptz NOT NULL DEFAULT now(),
    -- Every frame up to here is settled: in frames, or rejected.
    durable_seq bigint NOT NULL DEFAULT 0
);

CREATE TABLE metrics (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    unit text NOT NULL,
    kind text NOT NULL,
    help text NOT NULL,
    instance_label text NOT NULL,
    UNIQUE (name, unit, kind, help, instance_label)
);

CREATE TABLE layouts (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- Layout.id of the wire: the content hash.
    hash bytea NOT NULL UNIQUE
);

CREATE TABLE series (
    layout integer NOT NULL REFERENCES layouts ON DELETE CASCADE,
    -- Index into frames.values, from 1.
    position integer NOT NULL,
    metric integer NOT NULL REFERENCES metrics,
    instance text NOT NULL,
    PRIMARY KEY (layout, position)
);

CREATE TABLE frames (
    time timestamptz NOT NULL,
    machine integer NOT NULL,
    stream integer NOT NULL,
    layout integer NOT NULL,
    -- In the order of the layout's series; NaN is "not read this time".
    values real[] NOT NULL
);
-- What makes a frame that is sent twice count once. TimescaleDB wants time in it.
CREATE UNIQUE INDEX frames_identity ON frames (machine, time, stream);

-- What people are told of: machines that are new, alerts that fire. The row is the truth; the publish is the news.
CREATE TABLE events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time timestamptz NOT NULL DEFAULT now(),
    -- A stable name for programs: "machine.new", "alert.firing".
    kind text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    -- Name of the machine that it is about; NULL for the fleet.
    machine text,
    -- A sentence for people.
    message text NOT NULL,
    fields jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX events_by_time ON events (time DESC, id DESC);
CREATE INDEX events_by_machine ON events (machine, time DESC, id DESC);

-- With TimescaleDB frames are a hypertable: old ones go by dropping whole chunks, and the newest chunk's index stays in
-- memory. The extension must be preloaded, and says so by having this parameter; without it frames are a plain table.
DO $$
BEGIN
    IF current_setting('timescaledb.max_background_workers', true) IS NOT NULL THEN
        CREATE EXTENSION IF NOT EXISTS timescaledb;
        PERFORM create_hypertable('frames', 'time', chunk_time_interval => interval '6 hours', create_default_indexes => false);
    END IF;
END
$$;
