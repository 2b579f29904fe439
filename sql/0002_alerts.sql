-- Alerts: those that are pending or firing now, every transition there was, and the notifications that are due.

-- An alert that is neither pending nor firing has no row. Frequent small updates: room for them on the page.
CREATE TABLE alert_states (
    rule text NOT NULL,
    machine text NOT NULL,
    -- Empty for a metric with a single series, and for a rule about silence.
    instance text NOT NULL,
    -- Empty for a rule about silence.
    metric text NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'firing')),
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    -- In the metric's unit; NULL for a rule about silence.
    threshold double precision,
    -- As last read; for a rule about silence the seconds without a sample. Both are brought up to date now and then.
    value double precision NOT NULL,
    seen timestamptz NOT NULL,
    -- When the condition began to hold.
    since timestamptz NOT NULL,
    -- The sentence of the last change of state.
    message text NOT NULL,
    PRIMARY KEY (rule, machine, instance)
) WITH (fillfactor = 50);

CREATE TABLE alert_transitions (
    -- Made from what happened, so that writing it twice is noticed. It is the notification's idempotency key.
    id uuid PRIMARY KEY,
    time timestamptz NOT NULL,
    state text NOT NULL CHECK (state IN ('firing', 'resolved')),
    rule text NOT NULL,
    machine text NOT NULL,
    instance text NOT NULL,
    metric text NOT NULL,
    severity text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    threshold double precision,
    value double precision NOT NULL,
    since timestamptz NOT NULL,
    message text NOT NULL
);
CREATE INDEX alert_transitions_by_time ON alert_transitions (time DESC);

-- The outbox: written with the transition, before anything is sent.
CREATE TABLE notifications (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transition uuid NOT NULL UNIQUE REFERENCES alert_transitions ON DELETE CASCADE,
    -- The JSON object that is posted, the same at every attempt.
    payload jsonb NOT NULL,
    created timestamptz NOT NULL DEFAULT now(),
    -- Who takes it on moves this ahead first, so that no other does at the same time.
    next_attempt timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0,
    delivered_at timestamptz,
    given_up_at timestamptz,
    last_error text
);
CREATE INDEX notifications_open ON notifications (next_attempt) WHERE delivered_at IS NULL AND given_up_at IS NULL;
