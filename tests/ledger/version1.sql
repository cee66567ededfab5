-- The ledger: what this node knows and must still know after a crash.
-- Times are seconds since 1970 (UTC). States are those of states.py, which alone decides about changes.

CREATE TABLE association (
    id          INTEGER PRIMARY KEY,
    peer        TEXT NOT NULL,              -- name in the configuration
    calling_ae  TEXT NOT NULL,
    address     TEXT NOT NULL,
    started_at  REAL NOT NULL,
    ended_at    REAL                        -- NULL while it is open; a restart ends all
) STRICT;

CREATE TABLE instance (
    id                INTEGER PRIMARY KEY,
    sop_instance_uid  TEXT NOT NULL,
    sop_class_uid     TEXT NOT NULL,
    transfer_syntax   TEXT NOT NULL,
    sha256            TEXT NOT NULL,        -- of the data set as it came
    size              INTEGER NOT NULL,     -- of the file, bytes
    path              TEXT NOT NULL UNIQUE, -- named by the node, relative to the store
    association_id    INTEGER NOT NULL REFERENCES association (id),
    received_at       REAL NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('received', 'indexed', 'unreadable', 'conflicting', 'purged')),
    study_uid         TEXT,                 -- from the header, once indexed
    header            TEXT,                 -- JSON of dicom.instance, once indexed
    reason            TEXT NOT NULL DEFAULT ''   -- why it is no source, or unreadable
) STRICT;
-- what was purged may come again
CREATE UNIQUE INDEX instance_identity ON instance (sop_instance_uid, sha256) WHERE state != 'purged';
CREATE INDEX instance_by_state ON instance (state) WHERE state = 'received';
CREATE INDEX instance_by_study ON instance (study_uid);
CREATE INDEX instance_by_association ON instance (association_id);

CREATE TABLE acquisition (
    id           INTEGER PRIMARY KEY,
    study_uid    TEXT NOT NULL,
    key          TEXT NOT NULL,             -- what makes it one acquisition (dicom.acquisition)
    revision     INTEGER NOT NULL,
    revision_of  INTEGER REFERENCES acquisition (id),
    state        TEXT NOT NULL CHECK (state IN
                     ('collecting', 'complete', 'queued', 'held', 'rejected', 'unmatched', 'ignored')),
    reason       TEXT NOT NULL DEFAULT '',
    description  TEXT NOT NULL DEFAULT '',  -- technical, never a patient's name
    route        TEXT,                      -- the route that matched last, or may match what has not come yet
    missing      TEXT NOT NULL DEFAULT '[]',-- JSON list
    content      TEXT NOT NULL DEFAULT '',  -- hash over the members: tells a re-read from an arrival
    settles_at   REAL,                      -- without a declared count: not before this
    deadline_at  REAL,                      -- collecting or held: rejected at this time
    created_at   REAL NOT NULL,
    updated_at   REAL NOT NULL,
    UNIQUE (study_uid, key, revision)
) STRICT;
CREATE INDEX acquisition_by_deadline ON acquisition (deadline_at) WHERE deadline_at IS NOT NULL;
CREATE INDEX acquisition_by_settling ON acquisition (settles_at) WHERE settles_at IS NOT NULL;

CREATE TABLE acquisition_instance (
    acquisition_id  INTEGER NOT NULL REFERENCES acquisition (id),
    instance_id     INTEGER NOT NULL REFERENCES instance (id),
    PRIMARY KEY (acquisition_id, instance_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE job (
    id              INTEGER PRIMARY KEY,
    acquisition_id  INTEGER NOT NULL REFERENCES acquisition (id),
    task            TEXT NOT NULL,
    recipe_hash     TEXT NOT NULL,
    order_json      TEXT NOT NULL,          -- route, recipe, products, send_to as they stood when it was queued
    state           TEXT NOT NULL CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    attempt         INTEGER NOT NULL DEFAULT 0,  -- the fence: a result of another attempt is dropped
    failures        INTEGER NOT NULL DEFAULT 0,  -- attempts that ended badly; a restart of the node is none
    not_before      REAL NOT NULL DEFAULT 0,
    lease_until     REAL,
    progress        REAL NOT NULL DEFAULT 0,
    step            TEXT NOT NULL DEFAULT '',
    reason          TEXT NOT NULL DEFAULT '',
    created_at      REAL NOT NULL,          -- every date and time inside the products
    started_at      REAL,
    finished_at     REAL,
    result_json     TEXT NOT NULL DEFAULT '{}',
    UNIQUE (acquisition_id, task, recipe_hash)
) STRICT;
CREATE INDEX job_by_state ON job (state) WHERE state IN ('queued', 'running');

CREATE TABLE product (
    id          INTEGER PRIMARY KEY,
    job_id      INTEGER NOT NULL REFERENCES job (id),
    kind        TEXT NOT NULL,              -- qsm, report ...
    series_uid  TEXT NOT NULL,
    UNIQUE (job_id, kind)
) STRICT;

CREATE TABLE product_object (
    id                INTEGER PRIMARY KEY,
    product_id        INTEGER NOT NULL REFERENCES product (id),
    sop_class_uid     TEXT NOT NULL,
    sop_instance_uid  TEXT NOT NULL,
    path              TEXT NOT NULL UNIQUE, -- relative to the store; built once, sent from here on every try
    UNIQUE (product_id, sop_instance_uid)
) STRICT;

CREATE TABLE delivery (
    id          INTEGER PRIMARY KEY,
    product_id  INTEGER NOT NULL REFERENCES product (id),
    peer        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN
                    ('pending', 'sending', 'sent', 'committed', 'unconfirmed', 'parked', 'held')),
    tries       INTEGER NOT NULL DEFAULT 0, -- that ended badly, since the last progress
    next_try_at REAL NOT NULL DEFAULT 0,
    reason      TEXT NOT NULL DEFAULT '',
    created_at  REAL NOT NULL,
    finished_at REAL,
    UNIQUE (product_id, peer)
) STRICT;
CREATE INDEX delivery_by_state ON delivery (state) WHERE state IN ('pending', 'sending');

CREATE TABLE delivery_object (
    delivery_id  INTEGER NOT NULL REFERENCES delivery (id),
    object_id    INTEGER NOT NULL REFERENCES product_object (id),
    sent_at      REAL NOT NULL,
    PRIMARY KEY (delivery_id, object_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (                        -- every change of state, for people who ask later
    id      INTEGER PRIMARY KEY,
    at      REAL NOT NULL,
    entity  TEXT NOT NULL,
    row_id  INTEGER NOT NULL,
    before  TEXT NOT NULL,
    after   TEXT NOT NULL,
    reason  TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX event_by_row ON event (entity, row_id);

-- What a node of that version left: two exams, one of them delivered in part, and an object of no use.
INSERT INTO association VALUES (1, 'mr1', 'MR1', '192.0.2.10', 1.0, 9.0);
INSERT INTO instance VALUES
    (1, '2.25.1', '1.2.840.10008.5.1.4.1.1.4', '1.2.840.10008.1.2.1', 'a', 10, 'instances/00/1.dcm', 1, 2.0,
     'indexed', '2.25.100', '{}', ''),
    (2, '2.25.2', '1.2.840.10008.5.1.4.1.1.4', '1.2.840.10008.1.2.1', 'b', 20, 'instances/00/2.dcm', 1, 3.0,
     'received', NULL, NULL, ''),
    (5, '2.25.1', '1.2.840.10008.5.1.4.1.1.4', '1.2.840.10008.1.2.1', 'c', 30, 'instances/00/5.dcm', 1, 4.0,
     'conflicting', NULL, NULL, 'came again');
INSERT INTO acquisition (id, study_uid, key, revision, state, created_at, updated_at) VALUES
    (1, '2.25.100', 'scan', 1, 'queued', 1.0, 2.0);
INSERT INTO acquisition_instance VALUES (1, 1);
INSERT INTO job (id, acquisition_id, task, recipe_hash, order_json, state, created_at) VALUES
    (1, 1, 'qsm', 'hash', '{"route": "brain"}', 'succeeded', 2.0);
INSERT INTO product VALUES (1, 1, 'qsm', '2.25.200');
INSERT INTO product_object VALUES
    (1, 1, '1.2.840.10008.5.1.4.1.1.4', '2.25.201', 'products/1-1/qsm-000001.dcm'),
    (2, 1, '1.2.840.10008.5.1.4.1.1.4', '2.25.202', 'products/1-1/qsm-000002.dcm');
INSERT INTO delivery (id, product_id, peer, state, created_at) VALUES (1, 1, 'pacs', 'pending', 3.0);
INSERT INTO delivery_object VALUES (1, 1, 4.0);
INSERT INTO event (at, entity, row_id, before, after) VALUES (2.0, 'job', 1, 'running', 'succeeded');
PRAGMA application_id = 1364413774;
PRAGMA user_version = 1;
