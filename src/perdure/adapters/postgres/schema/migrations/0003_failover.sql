-- beside: 0003
-- What the store knows of the server that holds it, and what was lost where another server took over. Code that
-- doesn't look at this could drive runs on a server that lacks what was acknowledged.

-- One row, written again as a whole by ``postgres.identity`` alone. ``stamp`` is the number of the transaction that
-- wrote it: a dump brings the number back, and is itself another transaction.
CREATE TABLE seal (
    sole boolean PRIMARY KEY DEFAULT TRUE CHECK (sole),
    system text NOT NULL,                   -- the cluster's identifier
    timeline bigint NOT NULL,               -- raised by every promotion and point-in-time recovery
    database bigint NOT NULL,               -- its identifier within the cluster: a database made after this one has another
    anchor text,                            -- when the server's directory was made; NULL where the role may not see it
    synchronous boolean NOT NULL DEFAULT FALSE, -- whether every commit must have reached a standby
    witnessed text,                         -- the outside witness that all claims must be told to, or NULL
    fenced bigint NOT NULL DEFAULT 0,        -- epochs up to here were given out before a loss: they count no more
    stamp xid8 NOT NULL DEFAULT pg_current_xact_id()
);
INSERT INTO seal (database, system, timeline)
SELECT (SELECT oid::bigint FROM pg_database WHERE datname = current_database()),
    (pg_control_system()).system_identifier::text,
    ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint;

-- Each time that the store went on on another server, or on another timeline of the same one.
CREATE TABLE failovers (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    was_system text NOT NULL,
    was_timeline bigint NOT NULL,
    system text NOT NULL,
    timeline bigint NOT NULL,
    lsn text NOT NULL,
    lossy boolean NOT NULL,                 -- whether acknowledged events may be missing since
    by text NOT NULL,                       -- who said what is missing: a person, a witness, a writer that lived through it
    why text NOT NULL
);

-- Claims that are known to have been acknowledged and were missing afterwards, whoever knew of them.
CREATE TABLE lost (
    key text PRIMARY KEY,
    run text NOT NULL,
    stem text NOT NULL,
    scope text NOT NULL,
    tool text NOT NULL,
    attempt bigint NOT NULL,
    arguments text NOT NULL,
    loose text NOT NULL,
    position bigint NOT NULL,
    outcome text,                           -- as a person knows it; NULL: not known
    result bytea,
    told_by text NOT NULL,
    put_back boolean NOT NULL DEFAULT FALSE -- whether it stands among the claims again
);
CREATE INDEX lost_of_run ON lost (run) WHERE put_back;

-- Runs of which nobody has said yet whether claims are missing.
CREATE TABLE doubtful (
    run bigint PRIMARY KEY REFERENCES runs (number),
    why text NOT NULL
);

-- The newest sign of life of each process: what it wrote before a failover and finds after it was not lost.
CREATE TABLE beats (
    process text PRIMARY KEY,
    number bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- How the seal and the server stand to each other, for every commit to look at. Not for a standby.
CREATE VIEW standing AS
SELECT g.system, g.timeline, g.anchor,
    (g.stamp::text::numeric % 4294967296) = g.xmin::text::numeric AS sound,
    ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint AS now,
    g.synchronous,
    current_setting('synchronous_standby_names') <> ''
        AND current_setting('synchronous_commit') IN ('on', 'remote_apply') AS waits,
    g.witnessed, g.fenced, s.suspended, EXISTS (SELECT FROM doubtful) AS doubts, s.id, g.database
FROM seal g, store s;
