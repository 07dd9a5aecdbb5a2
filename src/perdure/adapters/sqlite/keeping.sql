-- Tables that came after the first; they are added to a store at its first write.

-- Blobs that nothing reached when somebody looked. They count as not here for whoever would lean on them,
-- and are taken away once nobody can be about to name them.
CREATE TABLE IF NOT EXISTS condemned (
    number INTEGER PRIMARY KEY,     -- of the blob
    at INTEGER NOT NULL             -- when they were first found unreached; nanoseconds since 1970
) STRICT;

CREATE TABLE IF NOT EXISTS settings (
    name TEXT PRIMARY KEY,          -- 'swept': how often blobs were taken away; 'budget': bytes, -1 for none
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
