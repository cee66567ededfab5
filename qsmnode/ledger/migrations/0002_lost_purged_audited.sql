-- An acknowledged object whose file is gone has a state of its own; files of products can be purged;
-- the audit trail remembers how far it has come.

CREATE TABLE instance_2 (
    id                INTEGER PRIMARY KEY,
    sop_instance_uid  TEXT NOT NULL,
    sop_class_uid     TEXT NOT NULL,
    transfer_syntax   TEXT NOT NULL,
    sha256            TEXT NOT NULL,
    size              INTEGER NOT NULL,
    path              TEXT NOT NULL UNIQUE,
    association_id    INTEGER NOT NULL REFERENCES association (id),
    received_at       REAL NOT NULL,
    state             TEXT NOT NULL CHECK (state IN
                          ('received', 'indexed', 'unreadable', 'conflicting', 'lost', 'purged')),
    study_uid         TEXT,
    header            TEXT,
    reason            TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO instance_2 SELECT id, sop_instance_uid, sop_class_uid, transfer_syntax, sha256, size, path,
    association_id, received_at, state, study_uid, header, reason FROM instance;
DROP TABLE instance;
ALTER TABLE instance_2 RENAME TO instance;
CREATE UNIQUE INDEX instance_identity ON instance (sop_instance_uid, sha256)
    WHERE state NOT IN ('purged', 'lost');
CREATE INDEX instance_by_state ON instance (state) WHERE state = 'received';
CREATE INDEX instance_by_study ON instance (study_uid);
CREATE INDEX instance_by_association ON instance (association_id);

ALTER TABLE product_object ADD COLUMN purged_at REAL;

CREATE TABLE progress (
    reader  TEXT PRIMARY KEY,
    event   INTEGER NOT NULL
) STRICT;
-- what happened before there was an audit trail is not told after the event
INSERT INTO progress (reader, event) SELECT 'audit', coalesce(max(id), 0) FROM event;
