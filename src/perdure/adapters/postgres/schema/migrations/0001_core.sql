-- beside: 0001
-- What every store in PostgreSQL has. Names of digests are kept as their bytes where they are 64 hexadecimal
-- digits always (events, blobs), else as text. Times are nanoseconds since 1970 by the writer's clock, unless
-- they are timestamps, which are the server's.

-- Which store this is, and whether its runs may be driven.
CREATE TABLE store (
    sole boolean PRIMARY KEY DEFAULT TRUE CHECK (sole),
    id text NOT NULL,                       -- the same in every copy
    made timestamptz NOT NULL DEFAULT now(),
    suspended text,                         -- why nothing may run, or NULL
    released text                           -- who said last that this copy is the one that counts
);

-- A run's row is locked by whoever appends to it: that is what makes its writers take turns. ``position`` and
-- ``head`` change with every batch and stand in no index, so that the change stays within the row's page.
CREATE TABLE runs (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    lineage text NOT NULL,
    tenant text NOT NULL,
    parent bigint REFERENCES runs (number),
    forked_at bigint NOT NULL,
    created bigint NOT NULL,
    status text NOT NULL DEFAULT 'running',
    wake bigint,                            -- when it next wants to be driven although nobody posts
    epoch bigint NOT NULL DEFAULT 0,
    holder text,                            -- who may write under this epoch, as JSON; NULL when given back
    process text,                           -- the holder's host, process id and start in one word
    wrote bigint NOT NULL DEFAULT 0,        -- the last epoch that appended
    position bigint NOT NULL,               -- of the last event, a fork's prefix included
    head bytea NOT NULL                     -- its digest
) WITH (fillfactor = 70);
CREATE INDEX runs_due ON runs (wake) WHERE wake IS NOT NULL;
CREATE INDEX runs_held ON runs (process) WHERE process IS NOT NULL;
CREATE INDEX runs_of_lineage ON runs (lineage);
CREATE INDEX runs_of_tenant ON runs (tenant);

-- Parted so that its parts are vacuumed, indexed and kept in memory by themselves.
CREATE TABLE events (
    run bigint NOT NULL,
    position bigint NOT NULL,
    frame bytea NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (run, position)
) PARTITION BY HASH (run);
CREATE TABLE events_0 PARTITION OF events FOR VALUES WITH (MODULUS 8, REMAINDER 0);
CREATE TABLE events_1 PARTITION OF events FOR VALUES WITH (MODULUS 8, REMAINDER 1);
CREATE TABLE events_2 PARTITION OF events FOR VALUES WITH (MODULUS 8, REMAINDER 2);
CREATE TABLE events_3 PARTITION OF events FOR VALUES WITH (MODULUS 8, REMAINDER 3);
CREATE TABLE events_4 PARTITION OF events FOR VALUES WITH (MODULUS 8, REMAINDER 4);
CREATE TABLE events_5 PARTITION OF events FOR VALUES WITH (MODULUS 8, REMAINDER 5);
CREATE TABLE events_6 PARTITION OF events FOR VALUES WITH (MODULUS 8, REMAINDER 6);
CREATE TABLE events_7 PARTITION OF events FOR VALUES WITH (MODULUS 8, REMAINDER 7);

-- One row per batch, for those who follow all runs. Transactions don't commit in the order of their numbers, so
-- it is read only below the oldest transaction that is still under way.
CREATE TABLE feed (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    run bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),  -- how far behind its readers are, and when it may be forgotten
    PRIMARY KEY (xid, run, first)
);

-- Writers of earlier epochs until a later writer, told of their end, has appended.
CREATE TABLE writers (
    run bigint NOT NULL REFERENCES runs (number),
    epoch bigint NOT NULL,
    holder text,
    process text,
    told bigint,                            -- the epoch that was told of its end; NULL while it may live
    PRIMARY KEY (run, epoch)
);
CREATE INDEX writers_of_process ON writers (process) WHERE told IS NULL;

CREATE TABLE claims (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    stem text NOT NULL,
    scope text NOT NULL,
    run bigint NOT NULL REFERENCES runs (number),
    position bigint NOT NULL,
    tool text NOT NULL,
    attempt bigint NOT NULL,
    arguments text NOT NULL,
    loose text NOT NULL,
    outcome text,                           -- NULL while open
    result bytea,                           -- as JSON, unless an event holds the same:
    result_run bigint,
    result_at bigint
);
CREATE INDEX claims_by_stem ON claims (stem);
CREATE INDEX claims_by_scope ON claims (scope, number);

CREATE TABLE counters (
    name text PRIMARY KEY,
    used bigint NOT NULL
) WITH (fillfactor = 50);

-- A post that was taken in keeps its id and loses the rest.
CREATE TABLE inbox (
    number bigint GENERATED ALWAYS AS IDENTITY,
    run bigint NOT NULL REFERENCES runs (number),
    id text NOT NULL,
    kind text,
    body bytea,
    at bigint NOT NULL,
    PRIMARY KEY (run, id)
);
CREATE INDEX inbox_waiting ON inbox (run, number) WHERE kind IS NOT NULL;

CREATE TABLE blobs (
    digest bytea PRIMARY KEY,
    size bigint NOT NULL,
    form smallint NOT NULL,                 -- 0 plain, 1 zstd, 2 in the object store, 3 here until the object store takes it
    content bytea NOT NULL,                 -- for 2 and 3: see perdure.adapters.postgres.content.blobs
    condemned bigint                        -- when nothing was first found to reach it
);
-- Packed already where that helps, so that it can be read in part.
ALTER TABLE blobs ALTER content SET STORAGE EXTERNAL;
CREATE INDEX blobs_spilled ON blobs (digest) WHERE form = 3;
CREATE INDEX blobs_condemned ON blobs (condemned) WHERE condemned IS NOT NULL;

-- Caches: they write no log, and a crash or a promotion empties them.
CREATE UNLOGGED TABLE snapshots (
    run bigint NOT NULL,
    position bigint NOT NULL,
    manifest bytea NOT NULL,
    PRIMARY KEY (run, position)
);
CREATE UNLOGGED TABLE chunks (
    digest text PRIMARY KEY,
    content bytea NOT NULL
);

-- Counts batches of changes for those who wait; bumped after the commit, together with the one NOTIFY.
CREATE SEQUENCE changes;
