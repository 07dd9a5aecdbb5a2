"""Inputs for runs from people and other runs, waiting until an event takes them in."""

from collections.abc import Sequence

import msgspec

from perdure.adapters.sqlite.database import Database, ask, ask_one, raw, text, whole
from perdure.adapters.sqlite.leases import check_here
from perdure.adapters.sqlite.reading import number_of
from perdure.log.port import Post
from perdure.values.errors import BadInput
from perdure.values.limits import INBOX_BYTES_MAX

_POST = """
INSERT INTO inbox (run, id, kind, body, at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (run, id) DO NOTHING RETURNING 1
"""
_WAITING = "SELECT id, kind, body, at FROM inbox WHERE run = ? AND kind IS NOT NULL ORDER BY number"


def check_post(post: Post) -> None:
    """Raise ``BadInput`` if the post is too large."""
    if len(post.body) > INBOX_BYTES_MAX:
        raise BadInput(f"post {post.id!r}: {len(post.body)} bytes; at most {INBOX_BYTES_MAX}")


def put_post(db: Database, run: str, post: Post) -> bool:
    """Within a transaction: the post waits; False if its id was posted before."""
    number = number_of(db, run)
    check_here(db, run, number)
    values = (number, post.id, post.kind, bytes(post.body), post.at)
    return ask_one(db, _POST, values) is not None


def waiting_posts(db: Database, run: str) -> Sequence[Post]:
    """Return posts that no event has taken in, oldest first."""
    rows = ask(db, _WAITING, (number_of(db, run),))
    return [Post(text(name), text(kind), msgspec.Raw(raw(body)), whole(at)) for name, kind, body, at in rows]
