"""Inputs for runs from people and other runs, waiting until an event takes them in.

Invariant: a run's posts become visible in the order of their numbers. Who posts has the run's turn until the commit:
what somebody has seen in an inbox stays ahead of everything that they hadn't.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from perdure.adapters.postgres.columns import asked, whole
from perdure.adapters.postgres.content.fence import SWEPT, Fence, present_in
from perdure.adapters.postgres.failover.identity import wait_for_standby
from perdure.adapters.postgres.judging.reading import number_of
from perdure.adapters.postgres.link.desk import stand_behind
from perdure.adapters.postgres.link.waiting import Database
from perdure.adapters.postgres.wire import TEXT, Many, Statement, read_int, read_text
from perdure.adapters.postgres.writing.leases import check_here
from perdure.log.port import Post
from perdure.values.errors import BadInput
from perdure.values.limits import INBOX_BYTES_MAX

POSTS_OF: Final = Statement(
    """
    SELECT i.run, i.id FROM unnest($1, $2) AS u (name, id) JOIN runs r ON r.name = u.name CROSS JOIN LATERAL (
        SELECT run, id FROM inbox WHERE inbox.run = r.number AND inbox.id = u.id AND kind IS NOT NULL LIMIT 1
    ) i
    """,
    (Many(TEXT), Many(TEXT)),
    (read_int, read_text),
)
"""Only who holds the run's row takes posts in, so that what waits now waits until the commit.

Sideways, so that each post is looked up by its whole name: as a join the server, which believes of a burst what it knew
before it, compares every post with every other of the run, for half a minute, and nobody of this process commits meanwhile."""

_POST: Final = """
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(hashtextextended('perdure inbox ' || %s, 0)))
INSERT INTO inbox (run, id, kind, body, at) SELECT %s, %s, %s, %s, %s FROM turn
ON CONFLICT (run, id) DO NOTHING RETURNING number
"""
"""The number is drawn for the row that the turn gives. One statement: the whole post is here before its turn begins."""

_POSTED: Final = "SELECT kind, body, at FROM inbox WHERE run = %s AND id = %s"
_WAITING: Final = """
SELECT i.id, i.kind, i.body, i.at FROM runs r LEFT JOIN inbox i ON i.run = r.number AND i.kind IS NOT NULL
WHERE r.name = %s ORDER BY i.number
"""


def check_post(post: Post) -> None:
    """Raise ``BadInput`` if the post is too large."""
    if len(post.body) > INBOX_BYTES_MAX:
        raise BadInput(f"post {post.id!r}: {len(post.body)} bytes; at most {INBOX_BYTES_MAX}")


def put_post(db: Database, run: str, post: Post, fence: Fence, *, again: bool) -> bool:
    """Within a transaction: the post waits; False if its id was posted before, unless ``again`` it was by us."""
    number = number_of(db, run)
    words = (post.kind, bytes(post.body), post.at)
    posted = db.execute(_POST, (run, number, post.id, *words)).fetchone() is not None
    # After the insert, which holds the run's row by its key: who moves the run waits for it, or is seen here.
    check_here(db, run)
    if posted:
        wait_for_standby(db)
        if fence.watches(sweeps(db)):
            fence.check_post(present_in(db), run, post)
        return True
    # Whoever wrote it may have been told that it is in doubt.
    stand_behind(db)
    if not again:
        return False
    found = db.execute(_POSTED, (number, post.id), binary=True).fetchone()
    # Taken in meanwhile, it has lost its body; its time still tells whose it was.
    return found is not None and (found == words or (found[0] is None and found[2] == post.at))


def sweeps(db: Database) -> int:
    """Return how often a collector took blobs away."""
    row = db.execute(SWEPT.text.encode(), binary=True).fetchone()
    return 0 if row is None else whole(row[0])


def waiting_posts(db: Database, run: str) -> Sequence[Post]:
    """Return posts that no event has taken in, oldest first."""
    rows = asked(db, _waiting, _WAITING, (run,))
    if not rows:
        number_of(db, run)
    return [post for post in rows if post is not None]


def _waiting(name: str | None, kind: str, body: bytes, at: int) -> Post | None:
    return None if name is None else Post(name, kind, msgspec.Raw(body), at)
