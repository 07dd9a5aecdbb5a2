-- beside: 0001
-- Processes that drive runs, how the end of each was proved, and which runs workers are to drive.

-- ``name`` is what ``runs.process`` and ``writers.process`` hold: host, process id and start in one word. Times are the
-- server's, so that no worker's clock decides about another.
CREATE TABLE processes (
    name text PRIMARY KEY,
    host text NOT NULL,
    pid bigint NOT NULL,
    started text NOT NULL,
    station text NOT NULL,                  -- the host's name, for people
    address text NOT NULL,                  -- where it answers probes; empty if nowhere
    version text NOT NULL,                  -- of perdure
    format bigint NOT NULL,                 -- of the schema that it speaks
    engine text NOT NULL,
    agents text NOT NULL,                   -- JSON: {name: version}
    concurrency bigint NOT NULL,
    begun timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen timestamptz NOT NULL DEFAULT clock_timestamp(),
    driving bigint NOT NULL DEFAULT 0,      -- runs, as of ``seen``
    draining boolean NOT NULL DEFAULT FALSE,
    lapsed timestamptz,                     -- when another judged it silent; from then on it may not go on
    lapsed_by text,
    ended timestamptz,                      -- when its end was proved; NULL while it may still send
    proof text,
    proved_by text
);
CREATE INDEX processes_open ON processes (host) WHERE ended IS NULL;

-- A run that workers drive; one that isn't here is driven by whoever runs or resumes it. ``wake`` is 0 from before a
-- worker takes the run until after it rests in order, so that whatever ends its driving, somebody looks at it again.
CREATE TABLE placements (
    run bigint PRIMARY KEY REFERENCES runs (number),
    agent text NOT NULL,
    root bigint,                            -- the run in whose loop this one is driven, if it is a child
    heard bigint NOT NULL DEFAULT 0,        -- of a child: the last post for which its root was called
    wake bigint DEFAULT 0,                  -- when to look at it although nobody posts; ns, 0 for at once, NULL for never
    later bigint,                           -- not before this, after a try that failed; ns
    tries bigint NOT NULL DEFAULT 0,        -- drives that ended without progress, counted before each begins
    turn text NOT NULL DEFAULT '',          -- the newest drive that has begun: only that one says how it came to rest
    waits text,                             -- why the last worker that looked did not drive it
    parked text,                            -- why nobody drives it until a person says so
    parked_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX placements_due ON placements (wake) WHERE wake IS NOT NULL AND parked IS NULL;
CREATE INDEX placements_stuck ON placements (run) WHERE parked IS NOT NULL OR waits IS NOT NULL;
