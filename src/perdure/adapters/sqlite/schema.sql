-- The store's tables; docs/log-format.md is normative. Names of digests (64 or 40 hex characters) are
-- kept as their bytes, any other name as text.

CREATE TABLE store (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL,               -- the same in every copy
    generation INTEGER NOT NULL,    -- counts openings and leases; a smaller one is an older copy
    anchor_file INTEGER NOT NULL,   -- inode of the anchor beside this file
    anchor_born INTEGER NOT NULL,   -- and when it was made, which no copying tool can set
    log_file INTEGER NOT NULL,      -- inode of this file
    suspended TEXT,                 -- why nothing may run, or NULL
    released TEXT                   -- who said last that this copy is the one that counts
) STRICT;

CREATE TABLE runs (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    lineage TEXT NOT NULL,
    tenant TEXT NOT NULL,
    parent INTEGER REFERENCES runs (number),
    forked_at INTEGER NOT NULL,
    created INTEGER NOT NULL,
    status TEXT NOT NULL,
    wake INTEGER,
    epoch INTEGER NOT NULL,
    holder TEXT,                    -- who may write under this epoch, as JSON; NULL when given back
    wrote INTEGER NOT NULL          -- the last epoch that appended
) STRICT;

-- Rows are only ever added at the end, so full pages are never touched again.
CREATE TABLE events (
    number INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    position INTEGER NOT NULL,
    frame BLOB NOT NULL,
    digest BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX events_of_run ON events (run, position);

-- Writers of earlier epochs until a later writer, told of their end, has appended.
CREATE TABLE writers (
    run INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    holder TEXT,
    told INTEGER,                   -- the epoch that was told of its end; NULL while it may live
    PRIMARY KEY (run, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE scopes (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE claims (
    number INTEGER PRIMARY KEY,
    key ANY NOT NULL,
    stem ANY NOT NULL,
    scope INTEGER NOT NULL REFERENCES scopes (number),
    run INTEGER NOT NULL REFERENCES runs (number),
    position INTEGER NOT NULL,
    tool TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    arguments ANY NOT NULL,
    loose ANY NOT NULL,
    outcome TEXT,                   -- NULL while open
    result BLOB,                    -- as JSON, unless an event holds the same:
    result_run INTEGER,
    result_at INTEGER
) STRICT;
CREATE UNIQUE INDEX claims_by_key ON claims (key);
CREATE INDEX claims_by_stem ON claims (stem);
CREATE INDEX claims_by_scope ON claims (scope);

CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    used INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A post that was taken in keeps its id and loses the rest.
CREATE TABLE inbox (
    number INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (number),
    id TEXT NOT NULL,
    kind TEXT,
    body BLOB,
    at INTEGER NOT NULL,
    UNIQUE (run, id)
) STRICT;
CREATE INDEX inbox_waiting ON inbox (run, number) WHERE kind IS NOT NULL;

CREATE TABLE blobs (
    number INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    form INTEGER NOT NULL,          -- 0 plain, 1 zstd, 2 in a file of its own (content: frame lengths)
    content BLOB NOT NULL
) STRICT;

-- Caches: both tables may be emptied at any time.
CREATE TABLE snapshots (
    run INTEGER NOT NULL REFERENCES runs (number),
    position INTEGER NOT NULL,
    manifest BLOB NOT NULL,
    PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE chunks (
    number INTEGER PRIMARY KEY,
    digest ANY NOT NULL UNIQUE,
    content BLOB NOT NULL
) STRICT;
