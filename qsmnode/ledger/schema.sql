-- The ledger: what this node knows and must still know after a crash. A new one begins with this; an older one is
-- brought here by the scripts in migrations, which migrate.py lists.
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
    state             TEXT NOT NULL CHECK (state IN
                          ('received', 'indexed', 'unreadable', 'conflicting', 'lost', 'purged')),
    study_uid         TEXT,                 -- from the header, once indexed
    header            TEXT,                 -- JSON of dicom.instance, once indexed
    reason            TEXT NOT NULL DEFAULT '',  -- why it is no source, or unreadable
    committed_to      TEXT,                 -- the peer that was promised to keep it: not purged before archived_at
    archived_at       REAL                  -- the archive answered for it then
) STRICT;
-- what was purged or got lost may come again
CREATE UNIQUE INDEX instance_identity ON instance (sop_instance_uid, sha256)
    WHERE state NOT IN ('purged', 'lost');
CREATE INDEX instance_by_uid ON instance (sop_instance_uid);
CREATE INDEX instance_by_state ON instance (state) WHERE state = 'received';
CREATE INDEX instance_by_study ON instance (study_uid);
CREATE INDEX instance_by_association ON instance (association_id);
CREATE INDEX instance_by_promise ON instance (committed_to) WHERE committed_to IS NOT NULL;

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
    purged_at         REAL,                 -- its file went then
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
    rounds      INTEGER NOT NULL DEFAULT 0, -- reports in a row by which the peer had lost objects of it
    UNIQUE (product_id, peer)
) STRICT;
CREATE INDEX delivery_by_state ON delivery (state) WHERE state IN ('pending', 'sending');
CREATE INDEX delivery_sent ON delivery (peer) WHERE state = 'sent';

CREATE TABLE delivery_object (
    delivery_id  INTEGER NOT NULL REFERENCES delivery (id),
    object_id    INTEGER NOT NULL REFERENCES product_object (id),
    sent_at      REAL NOT NULL,
    committed_at REAL,                      -- the peer's report answered for it then
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

CREATE TABLE progress (                     -- how far those have come who follow the events
    reader  TEXT PRIMARY KEY,
    event   INTEGER NOT NULL                -- the last one that was dealt with
) STRICT;

CREATE TABLE commitment (                   -- one request to a peer to answer for objects (PS3.4 annex J)
    id               INTEGER PRIMARY KEY,
    transaction_uid  TEXT NOT NULL UNIQUE,
    peer             TEXT NOT NULL,
    delivery_id      INTEGER REFERENCES delivery (id),  -- NULL: of received objects that this node has promised
    state            TEXT NOT NULL CHECK (state IN ('asking', 'asked', 'answered', 'settled', 'expired', 'lost')),
    reason           TEXT NOT NULL DEFAULT '',
    tries            INTEGER NOT NULL DEFAULT 0,
    due_at           REAL NOT NULL,         -- asking: not before
    deadline_at      REAL NOT NULL,         -- without a report until then it is expired
    created_at       REAL NOT NULL
) STRICT;
CREATE INDEX commitment_by_delivery ON commitment (delivery_id);
CREATE INDEX commitment_by_state ON commitment (state) WHERE state IN ('asking', 'asked', 'answered');

CREATE TABLE commitment_object (
    commitment_id     INTEGER NOT NULL REFERENCES commitment (id),
    sop_class_uid     TEXT NOT NULL,
    sop_instance_uid  TEXT NOT NULL,
    failure           INTEGER,              -- NULL: not answered; 0: committed; else the failure reason
    PRIMARY KEY (commitment_id, sop_instance_uid)
) STRICT, WITHOUT ROWID;

CREATE TABLE promise (                      -- one request of a peer to this node
    id               INTEGER PRIMARY KEY,
    peer             TEXT NOT NULL,
    transaction_uid  TEXT NOT NULL,
    state            TEXT NOT NULL CHECK (state IN ('asked', 'checked', 'reported', 'parked')),
    reason           TEXT NOT NULL DEFAULT '',
    tries            INTEGER NOT NULL DEFAULT 0,
    next_try_at      REAL NOT NULL,         -- checked: reported on an association of this node's own not before
    created_at       REAL NOT NULL,
    UNIQUE (peer, transaction_uid)
) STRICT;
CREATE INDEX promise_by_state ON promise (state) WHERE state IN ('asked', 'checked');

CREATE TABLE promise_object (
    promise_id        INTEGER NOT NULL REFERENCES promise (id),
    sop_instance_uid  TEXT NOT NULL,
    sop_class_uid     TEXT NOT NULL,
    failure           INTEGER,              -- NULL: not checked; 0: kept; else the failure reason
    PRIMARY KEY (promise_id, sop_instance_uid)
) STRICT, WITHOUT ROWID;
