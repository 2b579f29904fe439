-- Words by which people group machines.

-- As the newest Hello has them.
ALTER TABLE machines ADD COLUMN tags text[] NOT NULL DEFAULT '{}';

CREATE OR REPLACE VIEW fleet AS
SELECT machines.name AS machine,
    CASE WHEN newest.moved > now() - make_interval(secs => greatest(3 * interval_seconds, 10)) THEN 'up'
        ELSE 'silent' END AS state,
    newest.durable_time AS time, newest.moved AS stored, interval_seconds, skew_seconds, agent_version, first_seen, facts,
    tags
FROM machines
LEFT JOIN LATERAL (
    SELECT moved, durable_time FROM streams WHERE machine = machines.id AND durable_seq > 0
    ORDER BY moved DESC, id DESC LIMIT 1) AS newest ON true;
COMMENT ON COLUMN fleet.tags IS 'Words by which to group machines, as its collector is told: ''web'' = ANY (tags)';
