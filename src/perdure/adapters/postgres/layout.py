"""How the store is reached, and the bounds of this adapter with their reasons."""

from typing import Final, NamedTuple

SCHEMA: Final = "perdure"
"""Where all of a store's tables lie, so that they never meet the user's own."""

CHANNEL: Final = "perdure"
"""On which processes tell each other that something has changed."""

MIGRATING: Final = 0x50455244
"""The advisory lock (``PERD``) under which one process at a time changes the tables."""

SIGN_SECONDS: Final = 60.0
"""A worker gives a sign of life each second and ends itself after 30 s without one: one silent for so long has ended."""

STEP_LOCK_SECONDS: Final = 2.0
"""A step that waits for a table keeps all waiting who come after it, so it gives way after this long."""

STEP_TRIES: Final = 5
"""How often it comes again, after a pause as long, before whoever migrates is told that somebody is in the way."""

SERVER_MIN: Final = 140000
"""The oldest PostgreSQL that still gets corrections, as it counts its versions itself."""

RISKY: Final = """
concat_ws(' ', CASE current_setting('fsync') WHEN 'off' THEN 'fsync' END,
    CASE current_setting('full_page_writes') WHEN 'off' THEN 'full_page_writes' END)
"""
"""In SQL: what the server does without, and an acknowledged event needs where a machine loses its power.

What a role's or a database's own settings say of ``synchronous_commit`` doesn't matter: each connection sets it.
"""

COMPRESSED_BYTES_MIN: Final = 128
"""Below this zstd's header eats what it saves."""

FRAME_BYTES: Final = 1 << 20
"""Uncompressed bytes per piece of a large blob: what a ranged read decompresses at most twice."""

LAZY_BYTES_MAX: Final = 8 << 20
"""Blobs and snapshots kept in memory until the next commit takes them along."""

LAZY_HARD: Final = 8
"""Past this many times as much nothing more is taken until the server takes what there is."""

GROUP_BYTES_MAX: Final = 32 << 20
"""What one group commit sends at most beyond its first batch: more would hold its runs' rows for seconds."""

LEASE_LOCK_MS: Final = 2000
"""How long who takes a run waits for its row before they look who holds it: healthy writers do for milliseconds."""

PAUSE_SECONDS_MIN: Final = 0.05
"""Before the first new attempt to reach a server; each further one waits twice as long."""

PAUSE_SECONDS_MAX: Final = 1.0
"""Between two attempts at most: a takeover should not wait longer for a server that is back."""


class Setup(NamedTuple):
    """How a process uses the server. Users get the defaults, or change them by what limits their server."""

    pool_max: int = 4
    """connections for reading; beside them there is one that writes and one that listens"""
    statement_seconds: float = 30.0
    """one statement; the longest healthy one reads a page of events"""
    spare_seconds: float = 5.0
    """how much later than the server's own bound we give up on an answer: a healthy server speaks first"""
    cancel_seconds: float = 5.0
    """until a server that was told to end what it does has ended it: one that can be heard takes a moment"""
    lock_seconds: float = 10.0
    """waiting for another process's transaction; longer than ``idle_seconds``, after which the server ends it"""
    idle_seconds: float = 4.0
    """a transaction whose process doesn't go on (stopped, cut off) is taken back by the server"""
    connect_seconds: float = 10.0
    """one attempt to connect, TLS and authentication included"""
    away_seconds: float = 20.0
    """how long a write waits for a server that can't be reached before it is refused as ``Busy``"""
    unsure_seconds: float = 60.0
    """how long a write whose commit was sent, and not answered, waits to learn its outcome: a failover's time"""
    poll_seconds: float = 1.0
    """between two looks for changes whose notice was lost: by a process that ended just after its commit, or with a connection"""
    idle_connection_seconds: float = 300.0
    """a reading connection that nobody used for so long is closed: the server has better uses for its memory"""
    application: str = "perdure"
    """what ``pg_stat_activity`` calls our connections"""

    @property
    def answer_seconds(self) -> float:
        """How long anything is waited for: what takes longer waits for a standby, or for a server that can't be heard."""
        return self.statement_seconds + self.spare_seconds
