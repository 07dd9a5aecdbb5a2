"""The feed of a store, for who follows all of its runs."""

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from perdure.assembly.stores.feeding_parts import PartedFeed
from perdure.driver.books import Books, Parted
from perdure.log.feed import FeedPage, FeedStore
from perdure.values.errors import BadInput
from perdure.values.limits import FEED_PAGE_BATCHES_MAX

PAUSE_SECONDS = 1.0
"""The longest wait between two looks: what was held back comes free without anything new being written."""


@runtime_checkable
class Fed(Protocol):
    """A store that has a feed."""

    def feed(self) -> FeedStore:
        """Return the feed."""
        ...


def feed_of(books: Books) -> FeedStore:
    """Return the feed of ``books``; raise ``BadInput`` for a store that has none."""
    if isinstance(books, Fed):
        return books.feed()
    if isinstance(books, Parted):
        return PartedFeed(
            lambda: {name: feed_of(part) for name, part in books.shards().items()}, books.missing
        )
    raise BadInput("this store has no feed", hint="keep the runs in a directory or in PostgreSQL")


def pages(
    books: Books,
    after: str | None = None,
    *,
    reader: str | None = None,
    follow: bool = False,
    limit: int = FEED_PAGE_BATCHES_MAX,
) -> Iterator[FeedPage]:
    """Yield pages past ``after``, or past what ``reader`` has done with, until there is nothing more; the last is empty.

    With ``follow`` there is always more; an empty page says that it is waited for. What was yielded counts as done with by
    ``reader`` once the next page is asked for: who fails in between gets it again.
    """
    if reader is not None and after is not None:
        raise BadInput("a reader with a name knows where it is: give it no cursor")
    feed = feed_of(books)
    cursor = feed.reader(reader) if reader is not None else after
    mark = books.watch(-1, 0)
    while True:
        page = feed.page(cursor, limit)
        yield page
        cursor = page.cursor
        if page.entries:
            if reader is not None:
                feed.acknowledge(reader, cursor)
        elif not follow:
            return
        else:
            mark = books.watch(mark, PAUSE_SECONDS)
