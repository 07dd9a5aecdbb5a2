-- beside: 0001
-- Readers of the feed, and which workers may drive which run.

-- Where the feed begins, and which count of transactions its cursors speak of. A cluster that was restored, copied or
-- promoted without its tail counts them anew: a cursor from before would skip what has the same numbers now.
CREATE TABLE feed_state (
    sole boolean PRIMARY KEY DEFAULT TRUE CHECK (sole),
    era bigint NOT NULL DEFAULT 1,
    xid xid8 NOT NULL DEFAULT '0',          -- the last batch that was forgotten
    run bigint NOT NULL DEFAULT 0,
    first bigint NOT NULL DEFAULT 0
);
INSERT INTO feed_state DEFAULT VALUES;

-- A reader's name, and the last batch that it has done with. Nothing past it is forgotten.
CREATE TABLE feed_cursors (
    name text PRIMARY KEY,
    xid xid8 NOT NULL,
    run bigint NOT NULL,
    first bigint NOT NULL,
    moved timestamptz NOT NULL DEFAULT now()
);

-- Whoever releases a store says that its history may differ from what readers saw. What is numbered beyond this
-- cluster's count comes from another cluster: it is given a number here, and readers that had gone past get it again.
CREATE FUNCTION feed_begins_anew() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE feed_state SET era = era + 1;
    UPDATE feed_state SET xid = '0', run = 0, first = 0 WHERE xid >= pg_snapshot_xmax(pg_current_snapshot());
    UPDATE feed_cursors c SET xid = s.xid, run = s.run, first = s.first FROM feed_state s
        WHERE c.xid >= pg_snapshot_xmax(pg_current_snapshot());
    UPDATE feed SET xid = pg_current_xact_id() WHERE xid >= pg_snapshot_xmax(pg_current_snapshot());
    RETURN NULL;
END $$;
CREATE TRIGGER feed_begins_anew AFTER UPDATE OF released ON store
    FOR EACH ROW WHEN (NEW.released IS NOT NULL) EXECUTE FUNCTION feed_begins_anew();

-- How many runs of a tenant workers drive at the same time; the one without a name is for all that have none of their own.
CREATE TABLE tenants (
    name text PRIMARY KEY,
    concurrency bigint NOT NULL CHECK (concurrency >= 0),
    by text NOT NULL,
    at timestamptz NOT NULL DEFAULT now()
);

-- Runs that a worker was allowed to take and has not acquired yet: they count until their epoch moves on.
CREATE TABLE tenant_places (
    run bigint PRIMARY KEY REFERENCES runs (number),
    tenant text NOT NULL,
    epoch bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX tenant_places_of ON tenant_places (tenant);
