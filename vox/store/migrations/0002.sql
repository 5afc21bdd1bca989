-- Format 2: large blobs may lie in files; quotas, scopes, marks and the audit log.
-- The bytes of files are counted from this index alone.
CREATE INDEX files ON blobs (size) WHERE codec IN (2, 18);

-- How often a blob was asked for, and the clock of eviction when it last was. Without a row: once, at 0.
CREATE TABLE usage (
    digest  BLOB    NOT NULL PRIMARY KEY,
    hits    INTEGER NOT NULL,
    clock   REAL    NOT NULL
) WITHOUT ROWID;

-- Blobs that were here and went: `why` is 'evicted' or 'deleted'.
CREATE TABLE gone (
    digest  BLOB    NOT NULL PRIMARY KEY,
    hits    INTEGER NOT NULL,
    why     TEXT    NOT NULL,
    at_s    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE counters (
    name    TEXT    NOT NULL PRIMARY KEY,
    value   REAL    NOT NULL
) WITHOUT ROWID;

-- Who may see a blob: whoever may see every one of its scopes. A blob without a row is public.
CREATE TABLE labels (
    digest  BLOB    NOT NULL,
    scope   TEXT    NOT NULL,
    owner   TEXT    NOT NULL,
    PRIMARY KEY (digest, scope)
) WITHOUT ROWID;

-- Moments to which results can be taken back: the last claim that was known then.
CREATE TABLE marks (
    name    TEXT    NOT NULL PRIMARY KEY,
    claim   INTEGER NOT NULL,
    at_s    INTEGER NOT NULL
) WITHOUT ROWID;

-- Claims that were taken back.
CREATE TABLE withdrawn (
    id      INTEGER NOT NULL,
    action  BLOB    NOT NULL,
    node    BLOB    NOT NULL,
    output  BLOB    NOT NULL,
    issuer  BLOB    NOT NULL,
    body    BLOB    NOT NULL,
    mark    TEXT    NOT NULL,
    at_s    INTEGER NOT NULL
);

-- Each hash is over the one before and the entry: nothing in between can be changed or left out unseen.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    entry   BLOB    NOT NULL,
    hash    BLOB    NOT NULL
);
