"""The port to the feed: every batch of events of every run, in one order that all readers share.

Invariants that every adapter keeps:
- A batch that became durable is given out to each cursor at least once, after all that were given out before it.
- Nothing that is given out is followed later by something that belongs before it.
- A cursor of another store, and one whose following batches were forgotten, are refused, never misread.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from perdure.values.limits import FEED_PAGE_BATCHES_MAX


class FedBatch(NamedTuple):
    """Events ``first`` to ``last`` of ``run`` are durable."""

    run: str
    first: int
    last: int


class Stall(NamedTuple):
    """What holds the feed back: nothing that was committed after this began is given out before it ends."""

    kind: str
    """'session', 'prepared' for a prepared transaction, 'away' for a shard, or 'unseen' where this database can't tell"""
    pid: int | None
    name: str
    """of the application, or of the prepared transaction"""
    user: str
    database: str
    seconds: float
    """since it began"""
    state: str
    """what it does: 'active', 'idle in transaction', what it waits for"""
    query: str
    """the beginning of its last statement, values left out"""
    cure: str


class FeedPage(NamedTuple):
    """A stretch of the feed."""

    entries: Sequence[FedBatch]
    cursor: str
    """where the next page begins; the same as before if there are no entries"""
    stalled_by: Stall | None = None
    lag_seconds: float = 0.0
    """age of the oldest batch that is durable and not in this page or before it; 0 if there is none"""


class FeedCursor(NamedTuple):
    """How far one reader has got."""

    name: str
    cursor: str
    lag_entries: int
    """batches (in one file: events) behind; counted up to a bound"""
    lag_seconds: float


class FeedStore(Protocol):
    """The feed and its readers; see the module's invariants."""

    def page(self, after: str | None = None, limit: int = FEED_PAGE_BATCHES_MAX) -> FeedPage:
        """Return what follows ``after``; None is the beginning of what is kept.

        Raises ``BadInput``, ``CursorElsewhere`` or ``CursorForgotten``.
        """
        ...

    def reader(self, name: str) -> str:
        """Return how far ``name`` has got; a new one stands, from here on, at the beginning of what is kept."""
        ...

    def acknowledge(self, name: str, cursor: str) -> bool:
        """``name`` has done with everything up to ``cursor``; False if it had before. Never goes back."""
        ...

    def forget(self, name: str) -> bool:
        """There is no reader ``name`` any more, and nothing is kept for it; False if there was none."""
        ...

    def cursors(self) -> Sequence[FeedCursor]:
        """Return all readers that have a name, the one furthest behind first."""
        ...

    def prune(self, keep_seconds: float) -> int:
        """Forget what all readers have done with and is older than that; returns how many batches, a bounded number."""
        ...
