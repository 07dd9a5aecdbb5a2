"""Forgets what nobody needs of the feed, now and then: whichever worker comes to it, the others find it done."""

import asyncio
import random
from contextlib import suppress

from perdure.assembly.stores.feeding import feed_of
from perdure.driver.books import Books
from perdure.values.errors import PerdureError
from perdure.values.limits import FEED_KEEP_SECONDS, FEED_PRUNE_SECONDS


async def tidy(books: Books) -> None:
    """Prune the feed about once in ``FEED_PRUNE_SECONDS``, until cancelled."""
    while True:
        await asyncio.sleep(FEED_PRUNE_SECONDS * (0.5 + random.random()))  # noqa: S311 - keeps workers apart
        with suppress(PerdureError):
            feed = feed_of(books)
            while await asyncio.to_thread(feed.prune, FEED_KEEP_SECONDS):
                continue
