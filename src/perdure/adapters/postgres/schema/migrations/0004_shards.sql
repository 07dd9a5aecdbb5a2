-- beside: 0001
-- What a database that is one shard of a store knows of the others.

CREATE TABLE roster (
    sole boolean PRIMARY KEY DEFAULT TRUE CHECK (sole),
    name text,                              -- its own; NULL before it became a shard
    known text[] NOT NULL DEFAULT '{}'
);
INSERT INTO roster DEFAULT VALUES;

-- Where tenants live, and runs whose names say no shard; each is placed once.
CREATE TABLE homes (
    what text PRIMARY KEY,                  -- tenant:NAME or run:NAME
    shard text NOT NULL
);
