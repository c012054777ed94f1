-- The state of the local service. Times are whole milliseconds since the epoch, as the API tells them.
-- The states repeat airflow_hpt/domain/states.py; a test compares the two.

CREATE TABLE tuning_job (
    id             INTEGER PRIMARY KEY,
    name           TEXT NOT NULL,
    request        TEXT NOT NULL,  -- CreateHyperParameterTuningJob as it was sent, JSON
    state          TEXT NOT NULL CHECK (state IN ('InProgress', 'Stopping', 'Completed', 'Failed', 'Stopped')),
    seed           INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    modified_at    INTEGER NOT NULL,
    ended_at       INTEGER,
    failure_reason TEXT,
    converged_at   INTEGER,
    not_improving  INTEGER NOT NULL DEFAULT 0,
    status         TEXT GENERATED ALWAYS AS (state) VIRTUAL,  -- the API's name for it, as in training_job
    deleted_at     INTEGER,  -- the row stays: its training jobs still refer to what they were made from
    CHECK ((ended_at IS NOT NULL) = (state IN ('Completed', 'Failed', 'Stopped'))),
    CHECK (deleted_at IS NULL OR ended_at IS NOT NULL),
    UNIQUE (name, created_at)  -- together they identify a tuning job, because a deleted one's name may be used again
);

CREATE UNIQUE INDEX tuning_job_name ON tuning_job (name) WHERE deleted_at IS NULL;
CREATE INDEX tuning_job_created ON tuning_job (created_at) WHERE deleted_at IS NULL;
CREATE INDEX tuning_job_state ON tuning_job (state) WHERE deleted_at IS NULL;

CREATE TABLE parent (
    child_id  INTEGER NOT NULL REFERENCES tuning_job (id),
    position  INTEGER NOT NULL,  -- in the order of the request, from 0
    parent_id INTEGER NOT NULL REFERENCES tuning_job (id),
    PRIMARY KEY (child_id, position)
) WITHOUT ROWID;

CREATE TABLE training_job (
    id             INTEGER PRIMARY KEY,
    tuning_id      INTEGER NOT NULL REFERENCES tuning_job (id),
    number         INTEGER NOT NULL CHECK (number > 0),  -- in the order of claims
    name           TEXT NOT NULL UNIQUE,
    definition     TEXT,
    tuned          TEXT NOT NULL,  -- wire texts of the tunable hyperparameters, JSON
    state          TEXT NOT NULL CHECK (state IN ('Claimed', 'Running', 'Stopping', 'Completed', 'Failed', 'Stopped')),
    attempt        INTEGER NOT NULL DEFAULT 1 CHECK (attempt > 0),
    created_at     INTEGER NOT NULL,
    modified_at    INTEGER NOT NULL,
    started_at     INTEGER,
    ended_at       INTEGER,
    failure_reason TEXT,
    is_retryable   INTEGER NOT NULL DEFAULT 0 CHECK (is_retryable IN (0, 1)),
    stop_cause     TEXT CHECK (stop_cause IN ('user', 'median rule', 'hyperband', 'tuning ended')),
    transitions    TEXT NOT NULL DEFAULT '[]',  -- SecondaryStatusTransitions, JSON
    log_offset     INTEGER NOT NULL DEFAULT 0,  -- how much of the log the emissions below cover, in bytes
    objective      REAL,  -- the last emission of the objective so far
    final          REAL GENERATED ALWAYS AS (CASE WHEN state IN ('Completed', 'Stopped') THEN objective END) VIRTUAL,
    status         TEXT GENERATED ALWAYS AS (  -- the API's TrainingJobStatus; a job that was asked to stop is Stopping
        CASE WHEN state NOT IN ('Claimed', 'Running') THEN state WHEN stop_cause IS NULL THEN 'InProgress' ELSE 'Stopping' END
    ) VIRTUAL,
    CHECK ((ended_at IS NOT NULL) = (state IN ('Completed', 'Failed', 'Stopped'))),
    UNIQUE (tuning_id, number)
);

-- Every index ends in the row's id by itself, which is what pages break ties with.
CREATE INDEX training_job_live ON training_job (id) WHERE state IN ('Claimed', 'Running', 'Stopping');
CREATE INDEX training_job_counts ON training_job (tuning_id, state, is_retryable, final);
CREATE INDEX training_job_final ON training_job (tuning_id, final);
CREATE INDEX training_job_name ON training_job (tuning_id, name);
CREATE INDEX training_job_age ON training_job (tuning_id, created_at);
CREATE INDEX training_job_progress ON training_job (tuning_id, status);
CREATE INDEX training_job_created ON training_job (created_at);
CREATE INDEX training_job_status ON training_job (status);

CREATE TABLE emission (
    training_id INTEGER NOT NULL REFERENCES training_job (id),
    number      INTEGER NOT NULL,  -- in the order of the log, from 0
    metric      TEXT NOT NULL,  -- the objective comes a second time as ObjectiveMetric
    value       REAL NOT NULL,
    seen_at     INTEGER NOT NULL,
    PRIMARY KEY (training_id, number)
) WITHOUT ROWID;

CREATE TABLE tag (
    resource TEXT NOT NULL,  -- 'tuning' or 'training', '/', and the name of the job
    key      TEXT NOT NULL,
    value    TEXT NOT NULL,
    PRIMARY KEY (resource, key)
) WITHOUT ROWID;

-- Every move of every job: the audit trail, never read by the service itself.
CREATE TABLE transition (
    id       INTEGER PRIMARY KEY,
    resource TEXT NOT NULL,
    before   TEXT,  -- NULL for the first state
    after    TEXT NOT NULL,
    why      TEXT NOT NULL,
    at       INTEGER NOT NULL
);

CREATE INDEX transition_resource ON transition (resource);

CREATE TRIGGER tuning_job_end_is_final BEFORE UPDATE OF state ON tuning_job
WHEN OLD.state IN ('Completed', 'Failed', 'Stopped') BEGIN
    SELECT RAISE(ABORT, 'a tuning job that ended cannot change its state');
END;

CREATE TRIGGER training_job_end_is_final BEFORE UPDATE OF state ON training_job
WHEN OLD.state IN ('Completed', 'Failed', 'Stopped') BEGIN
    SELECT RAISE(ABORT, 'a training job that ended cannot change its state');
END;
