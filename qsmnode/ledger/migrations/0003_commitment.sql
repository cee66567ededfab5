-- Storage commitment, both ways: what archives were asked to answer for, and what this node has promised to keep.

ALTER TABLE instance ADD COLUMN committed_to TEXT;
ALTER TABLE instance ADD COLUMN archived_at REAL;
ALTER TABLE delivery ADD COLUMN rounds INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery_object ADD COLUMN committed_at REAL;
CREATE INDEX delivery_sent ON delivery (peer) WHERE state = 'sent';
CREATE INDEX instance_by_promise ON instance (committed_to) WHERE committed_to IS NOT NULL;

CREATE TABLE commitment (
    id               INTEGER PRIMARY KEY,
    transaction_uid  TEXT NOT NULL UNIQUE,
    peer             TEXT NOT NULL,
    delivery_id      INTEGER REFERENCES delivery (id),
    state            TEXT NOT NULL CHECK (state IN ('asking', 'asked', 'answered', 'settled', 'expired', 'lost')),
    reason           TEXT NOT NULL DEFAULT '',
    tries            INTEGER NOT NULL DEFAULT 0,
    due_at           REAL NOT NULL,
    deadline_at      REAL NOT NULL,
    created_at       REAL NOT NULL
) STRICT;
CREATE INDEX commitment_by_delivery ON commitment (delivery_id);
CREATE INDEX commitment_by_state ON commitment (state) WHERE state IN ('asking', 'asked', 'answered');

CREATE TABLE commitment_object (
    commitment_id     INTEGER NOT NULL REFERENCES commitment (id),
    sop_class_uid     TEXT NOT NULL,
    sop_instance_uid  TEXT NOT NULL,
    failure           INTEGER,
    PRIMARY KEY (commitment_id, sop_instance_uid)
) STRICT, WITHOUT ROWID;

CREATE TABLE promise (
    id               INTEGER PRIMARY KEY,
    peer             TEXT NOT NULL,
    transaction_uid  TEXT NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('asked', 'checked', 'reported', 'parked')),
    reason           TEXT NOT NULL DEFAULT '',
    tries            INTEGER NOT NULL DEFAULT 0,
    next_try_at      REAL NOT NULL,
    created_at       REAL NOT NULL,
    UNIQUE (peer, transaction_uid)
) STRICT;
CREATE INDEX promise_by_state ON promise (state) WHERE state IN ('asked', 'checked');

CREATE TABLE promise_object (
    promise_id        INTEGER NOT NULL REFERENCES promise (id),
    sop_instance_uid  TEXT NOT NULL,
    sop_class_uid     TEXT NOT NULL,
    failure           INTEGER,
    PRIMARY KEY (promise_id, sop_instance_uid)
) STRICT, WITHOUT ROWID;
