"""The log of a wrapped run, asked how its client was started. Apart from what a start is: that needs no log to be loaded."""

from perdure.driver.books import Books, events_after
from perdure.log import events as e
from perdure.wrap.transcripts.started import Started, start_of


def newest_start(books: Books, run: str) -> Started | None:
    """Return how the client of ``run`` was started last; None where nothing tells."""
    found: Started | None = None
    for event in events_after(books, run, 0):
        if isinstance(event.body, e.ClientAttached):
            found = start_of(event.body.words) or found
    return found
