-- Tiers: raw frames for days, minutes for weeks, hours for years. Rolled up and dropped by aggregatord.

-- One row for each machine, minute, stream and layout: what its frames of that minute come to, series by series, in the
-- order of the layout. Always equal to what the frames give when it is made anew.
CREATE TABLE minutes (
    -- Start of the minute.
    time timestamptz NOT NULL,
    machine integer NOT NULL,
    stream integer NOT NULL,
    layout integer NOT NULL,
    -- How many frames.
    samples integer NOT NULL,
    -- Of the readings that are numbers; NaN for a series that had none.
    low real[] NOT NULL,
    mean real[] NOT NULL,
    high real[] NOT NULL,
    -- How many readings of each series were numbers. NULL, as mostly: every one, and none of a series whose mean is NaN.
    counts integer[]
);
CREATE UNIQUE INDEX minutes_identity ON minutes (machine, time, stream, layout);

-- The same for hours, made from minutes.
CREATE TABLE hours (LIKE minutes INCLUDING ALL);

-- Frames from before tiers.kept_from of 'raw' when they came: to be counted into minutes or hours exactly once.
CREATE TABLE late_frames (LIKE frames INCLUDING DEFAULTS);
CREATE UNIQUE INDEX late_frames_identity ON late_frames (machine, time, stream);

-- How far the roll-up has come.
CREATE TABLE tiers (
    name text PRIMARY KEY CHECK (name IN ('raw', 'minute', 'hour')),
    step interval NOT NULL,
    -- Buckets from before this are the roll-up's: a frame that comes for one later marks it dirty. Moved ahead only under
    -- the exclusive lock that writers hold shared, so that what came before is visible and what comes after marks.
    claimed timestamptz NOT NULL,
    -- Buckets from before this have been made, but for dirty ones. At most `claimed`.
    done timestamptz NOT NULL,
    -- Rows from before this are dropped, or about to be.
    kept_from timestamptz NOT NULL
);
INSERT INTO tiers
SELECT name, step, start, start, '-infinity'
FROM (VALUES ('raw', interval '0'), ('minute', interval '1 minute'), ('hour', interval '1 hour')) AS tier (name, step),
    (SELECT date_trunc('hour', coalesce(min(time), now()), 'UTC') AS start FROM frames) AS first;

-- Minutes with frames that came after they were claimed. Appended and deleted, never updated: a mark that was there
-- already could be deleted before the frame that relies on it is committed.
CREATE TABLE dirty_minutes (machine integer NOT NULL, time timestamptz NOT NULL);
-- Hours with minutes that changed after they were claimed.
CREATE TABLE dirty_hours (machine integer NOT NULL, time timestamptz NOT NULL);

-- Machines that people had forgotten: each aggregator drops them from live state, one deletes their history.
CREATE TABLE forgotten (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- machines.id and machines.name as they were.
    machine integer NOT NULL,
    name text NOT NULL,
    time timestamptz NOT NULL DEFAULT now(),
    -- When the last of its history was deleted.
    deleted timestamptz
);

-- What has come in lies on disk in about the order of time: this index is next to nothing, and finds the last minutes.
CREATE INDEX frames_by_time ON frames USING brin (time) WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX minutes_by_time ON minutes USING brin (time) WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX hours_by_time ON hours USING brin (time) WITH (pages_per_range = 16, autosummarize = on);

-- Arrays stay in their row up to a page, and are never compressed one by one: it costs more than it saves.
ALTER TABLE frames ALTER COLUMN values SET STORAGE EXTERNAL, SET (toast_tuple_target = 8160);
ALTER TABLE minutes ALTER COLUMN low SET STORAGE EXTERNAL, ALTER COLUMN mean SET STORAGE EXTERNAL,
    ALTER COLUMN high SET STORAGE EXTERNAL, SET (toast_tuple_target = 8160);
ALTER TABLE hours ALTER COLUMN low SET STORAGE EXTERNAL, ALTER COLUMN mean SET STORAGE EXTERNAL,
    ALTER COLUMN high SET STORAGE EXTERNAL, SET (toast_tuple_target = 8160);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        -- At 1,000 machines of 100 values every 5 s a chunk is about 2 GB each.
        PERFORM create_hypertable('minutes', 'time', chunk_time_interval => interval '1 day', create_default_indexes => false);
        PERFORM create_hypertable('hours', 'time', chunk_time_interval => interval '30 days', create_default_indexes => false);
    END IF;
END
$$;
