-- For people: what every machine reads now, what it read, and how to be rid of one. Grafana and psql call these.

CREATE FUNCTION forget_machine(name text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    gone integer;
BEGIN
    -- Streams, gaps and rejects go with it.
    DELETE FROM machines AS machine WHERE machine.name = forget_machine.name RETURNING machine.id INTO gone;
    IF gone IS NULL THEN
        RETURN false;
    END IF;
    INSERT INTO forgotten (machine, name) VALUES (gone, forget_machine.name);
    DELETE FROM alert_states AS alert WHERE alert.machine = forget_machine.name;
    INSERT INTO events (kind, severity, machine, message)
    VALUES ('machine.forgotten', 'info', forget_machine.name,
        format('%s was forgotten; its history is being deleted', forget_machine.name));
    RETURN true;
END
$$;
COMMENT ON FUNCTION forget_machine(text) IS
    'Takes a machine out of the fleet and has its history deleted in the background; false if there is no such machine. '
    'One that still sends comes back as a new machine.';

CREATE FUNCTION history_tiers("from" timestamptz, "to" timestamptz, step interval)
RETURNS TABLE (tier text, "from" timestamptz, "to" timestamptz) LANGUAGE sql STABLE AS $$
    WITH known AS (
        SELECT minute.step AS minute, hour.step AS hour, raw.kept_from AS raw_kept, minute.kept_from AS minute_kept,
            minute.done AS minute_done, hour.done AS hour_done
        FROM tiers AS raw, tiers AS minute, tiers AS hour
        WHERE raw.name = 'raw' AND minute.name = 'minute' AND hour.name = 'hour'),
    -- A finer tier follows where the coarsest that will do is not rolled up yet, or else from where it is still kept.
    until AS (
        SELECT CASE WHEN $3 >= hour THEN hour_done ELSE minute_kept END AS hour,
            CASE WHEN $3 >= minute THEN minute_done ELSE raw_kept END AS minute
        FROM known),
    span (tier, starts, ends) AS (
        SELECT 'hour', $1, least($2, hour, minute) FROM until
        UNION ALL
        SELECT 'minute', greatest($1, least(hour, minute)), least($2, minute) FROM until
        UNION ALL
        SELECT 'raw', greatest($1, minute), $2 FROM until)
    SELECT span.tier, starts, ends FROM span WHERE starts < ends ORDER BY starts
$$;
COMMENT ON FUNCTION history_tiers(timestamptz, timestamptz, interval) IS
    'Which tier ("raw", "minute", "hour") tells of which part of a range, for buckets of this step: the coarsest that is '
    'not coarser than the step; finer ones for what is not rolled up yet; coarser ones for what they alone still keep.';

CREATE TYPE history_bucket AS (
    time timestamptz, instance text, unit text, min real, mean double precision, max real, count bigint);
COMMENT ON TYPE history_bucket IS
    'What one instance of a metric read from `time` on for a step. NULL and a count of 0: there were samples, but it was '
    'not read.';

CREATE FUNCTION history(machine text, metric text, "from" timestamptz, "to" timestamptz, step interval,
    instance text DEFAULT NULL, stream bytea DEFAULT NULL, origin timestamptz DEFAULT '1970-01-01 00:00:00Z')
RETURNS SETOF history_bucket LANGUAGE plpgsql STABLE ROWS 10000
-- Plans are made for the range at hand, which leaves most chunks out; compiling one takes longer than running it.
SET plan_cache_mode = force_custom_plan SET jit = off AS $$
DECLARE
    -- Grafana says a year as '1y', and no such interval has a length of its own.
    width CONSTANT interval := make_interval(secs => extract(epoch FROM history.step)::double precision);
    machine_id CONSTANT integer := (SELECT id FROM machines WHERE name = history.machine);
    stream_id CONSTANT integer := (SELECT id FROM streams WHERE streams.stream = history.stream);
    metrics CONSTANT integer[] := ARRAY(SELECT id FROM metrics WHERE name = history.metric);
    -- NULL where a tier tells of nothing: then its table is not even planned for.
    raw_from timestamptz; raw_to timestamptz; minute_from timestamptz; minute_to timestamptz;
    hour_from timestamptz; hour_to timestamptz;
BEGIN
    IF width IS NULL THEN
        RAISE EXCEPTION 'history() needs a step, such as 5 minutes' USING ERRCODE = 'null_value_not_allowed';
    END IF;
    -- A row of minutes or hours that the range begins within counts whole.
    SELECT min(part."from") FILTER (WHERE tier = 'raw'), max(part."to") FILTER (WHERE tier = 'raw'),
        date_trunc('minute', min(part."from") FILTER (WHERE tier = 'minute'), 'UTC'),
        max(part."to") FILTER (WHERE tier = 'minute'),
        date_trunc('hour', min(part."from") FILTER (WHERE tier = 'hour'), 'UTC'),
        max(part."to") FILTER (WHERE tier = 'hour')
    INTO raw_from, raw_to, minute_from, minute_to, hour_from, hour_to
    FROM history_tiers(history."from", history."to", width) AS part;
    RETURN QUERY
    WITH part AS NOT MATERIALIZED (
        SELECT f.time, f.stream, f.layout, 1 AS samples, f.values AS low, f.values AS mean, f.values AS high,
            NULL::integer[] AS counts
        FROM frames AS f WHERE f.machine = machine_id AND f.time >= raw_from AND f.time < raw_to
        UNION ALL
        SELECT m.time, m.stream, m.layout, m.samples, m.low, m.mean, m.high, m.counts
        FROM minutes AS m WHERE m.machine = machine_id AND m.time >= minute_from AND m.time < minute_to
        UNION ALL
        SELECT h.time, h.stream, h.layout, h.samples, h.low, h.mean, h.high, h.counts
        FROM hours AS h WHERE h.machine = machine_id AND h.time >= hour_from AND h.time < hour_to),
    -- Where the metric lies in each layout. A series keeps its name while its place changes.
    own AS MATERIALIZED (
        SELECT used.layout, place.* FROM (SELECT DISTINCT part.layout FROM part) AS used
        CROSS JOIN LATERAL (
            SELECT min(s.position) - 1 AS skipped, max(s.position) AS last, array_agg(s.position) AS positions,
                array_agg(s.instance) AS instances, array_agg(s.metric) AS metrics
            FROM series AS s WHERE s.layout = used.layout AND s.metric = ANY (metrics)
                AND (history.instance IS NULL OR s.instance = history.instance)) AS place),
    bucket AS (
        SELECT date_bin(width, greatest(part.time, history."from"), history.origin) AS time, place.instance,
            max(place.metric) AS metric, min(reading.low) AS min,
            sum(reading.mean * reading.count) / NULLIF(sum(reading.count), 0) AS mean,
            max(reading.high) AS max, sum(reading.count) AS count
        FROM part
        JOIN own ON own.layout = part.layout
        -- Long arrays lie out of line, and each look into one fetches it whole: so one look each. OFFSET 0 keeps the
        -- looks here, where otherwise they would be repeated wherever their outcome is used.
        CROSS JOIN LATERAL (
            SELECT part.low[own.skipped + 1:own.last] AS low, part.mean[own.skipped + 1:own.last] AS mean,
                part.high[own.skipped + 1:own.last] AS high, part.counts[own.skipped + 1:own.last] AS counts
            OFFSET 0) AS cut
        CROSS JOIN LATERAL unnest(own.positions, own.instances, own.metrics) AS place (position, instance, metric)
        CROSS JOIN LATERAL (
            SELECT NULLIF(cut.low[place.position - own.skipped], 'NaN'::real) AS low,
                NULLIF(cut.mean[place.position - own.skipped], 'NaN'::real)::double precision AS mean,
                NULLIF(cut.high[place.position - own.skipped], 'NaN'::real) AS high,
                CASE WHEN cut.mean[place.position - own.skipped] = 'NaN'::real THEN 0
                    ELSE coalesce(cut.counts[place.position - own.skipped], part.samples) END AS count
            OFFSET 0) AS reading
        WHERE history.stream IS NULL OR part.stream = stream_id
        GROUP BY 1, 2)
    SELECT bucket.time, bucket.instance, named.unit, bucket.min, bucket.mean, bucket.max, bucket.count
    FROM bucket JOIN metrics AS named ON named.id = bucket.metric ORDER BY bucket.time, bucket.instance COLLATE "C";
END
$$;
COMMENT ON FUNCTION history(text, text, timestamptz, timestamptz, interval, text, bytea, timestamptz) IS
    'What a metric of a machine read from "from" up to "to", in buckets of `step` counted from `origin`; of all instances '
    'and streams, or of those given. Old times are kept by the minute or the hour: narrower buckets are then as sparse.';

CREATE VIEW fleet AS
SELECT machines.name AS machine,
    CASE WHEN newest.moved > now() - make_interval(secs => greatest(3 * interval_seconds, 10)) THEN 'up'
        ELSE 'silent' END AS state,
    newest.durable_time AS time, newest.moved AS stored, interval_seconds, skew_seconds, agent_version, first_seen, facts
FROM machines
LEFT JOIN LATERAL (
    SELECT moved, durable_time FROM streams WHERE machine = machines.id AND durable_seq > 0
    ORDER BY moved DESC, id DESC LIMIT 1) AS newest ON true;
COMMENT ON VIEW fleet IS 'Every machine: whether its samples come, and what it said of itself.';
COMMENT ON COLUMN fleet.state IS 'up; or silent, when nothing was stored for three intervals and at least 10 s';
COMMENT ON COLUMN fleet.time IS 'Of its newest sample, by its own clock; NULL if that was lost or refused';
COMMENT ON COLUMN fleet.stored IS 'When its newest sample was stored, by the hub''s clock';
COMMENT ON COLUMN fleet.skew_seconds IS 'How far its clock is ahead of the hub''s';

CREATE VIEW latest AS
SELECT machines.name AS machine, metrics.name AS metric, series.instance, metrics.unit, newest.time,
    NULLIF(reading.value, 'NaN'::real) AS value
FROM machines
-- Not the frame with the latest time: a clock that was ahead until it was set right would make that an old one.
CROSS JOIN LATERAL (
    SELECT id, durable_time FROM streams WHERE machine = machines.id AND durable_seq > 0
    ORDER BY moved DESC, id DESC LIMIT 1) AS stream
CROSS JOIN LATERAL (
    SELECT f.time, f.layout, f.values FROM frames AS f
    WHERE f.machine = machines.id AND f.stream = stream.id AND f.time <= coalesce(stream.durable_time, 'infinity')
    ORDER BY f.time DESC LIMIT 1) AS newest
CROSS JOIN LATERAL unnest(newest.values) WITH ORDINALITY AS reading (value, position)
JOIN series ON series.layout = newest.layout AND series.position = reading.position
JOIN metrics ON metrics.id = series.metric;
COMMENT ON VIEW latest IS
    'The newest sample of every machine that still has raw history, one row for each series; NULL: not read then.';
