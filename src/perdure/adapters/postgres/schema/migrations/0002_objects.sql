-- beside: 0001
-- Large content: in the object store, or here until that takes it.

-- What is in ``blobs`` is compressed already, and parts of it are read.
ALTER TABLE blobs ALTER content SET STORAGE EXTERNAL;

-- The pieces of blobs of form 3, so that a part is read without the rest, and no row is large.
CREATE TABLE frames (
    digest bytea NOT NULL,
    number integer NOT NULL,
    content bytea NOT NULL,
    PRIMARY KEY (digest, number)
);
ALTER TABLE frames ALTER content SET STORAGE EXTERNAL;

-- Objects that are promised: a row is written before its object is put, and goes with the transaction that writes
-- the blob's row, or with the collector's that gives the object up. A name that has lost its row is never used again.
CREATE TABLE puts (
    name text PRIMARY KEY,
    at bigint NOT NULL,                     -- by the server's clock, ns
    doomed boolean NOT NULL DEFAULT false   -- given up: the object goes, then this row
);

-- Counts sweeps of the collector: a writer that sees it move looks whether what it names is still here.
ALTER TABLE store ADD swept bigint NOT NULL DEFAULT 0;
