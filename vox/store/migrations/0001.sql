-- Format 1 of the store; docs/store-format.md tells what each table means.
-- Ids are never used twice: a reader that holds the id of a deleted blob finds nothing, not another blob.
CREATE TABLE blobs (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    digest  BLOB    NOT NULL UNIQUE CHECK (length(digest) = 32),
    size    INTEGER NOT NULL CHECK (size > 0),
    codec   INTEGER NOT NULL,
    data    BLOB
);

CREATE TABLE chunks (
    blob    INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    codec   INTEGER NOT NULL,
    data    BLOB    NOT NULL,
    UNIQUE (blob, seq)
);

CREATE TABLE quarantine (
    id      INTEGER PRIMARY KEY,
    digest  BLOB    NOT NULL,
    found   BLOB    NOT NULL,
    size    INTEGER NOT NULL,
    codec   INTEGER NOT NULL,
    data    BLOB,
    at_s    INTEGER NOT NULL
);

CREATE TABLE attestations (
    id      INTEGER PRIMARY KEY,
    action  BLOB    NOT NULL,
    node    BLOB    NOT NULL,
    output  BLOB    NOT NULL,
    issuer  BLOB    NOT NULL,
    body    BLOB    NOT NULL,
    UNIQUE (action, node, output, issuer)
);

CREATE TABLE results (
    node    BLOB    NOT NULL PRIMARY KEY,
    action  BLOB    NOT NULL,
    output  BLOB    NOT NULL,
    size    INTEGER NOT NULL,
    claim   INTEGER NOT NULL REFERENCES attestations (id)
) WITHOUT ROWID;

CREATE TABLE facts (
    key     TEXT    NOT NULL PRIMARY KEY,
    value   BLOB    NOT NULL
) WITHOUT ROWID;

CREATE TABLE pins (
    digest  BLOB    NOT NULL,
    reason  TEXT    NOT NULL,
    PRIMARY KEY (digest, reason)
) WITHOUT ROWID;
