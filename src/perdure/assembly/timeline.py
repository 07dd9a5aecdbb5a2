"""A run's files over time: which tree stands at which position."""

from collections.abc import Iterator

from perdure.driver.books import Books, read_state
from perdure.log.envelope import Event, unseal
from perdure.replay.files import FilesAt, files_at
from perdure.values.limits import READ_PAGE_EVENTS


def files_of(books: Books, run: str, position: int) -> FilesAt:
    """Return the files of ``run`` at ``position``. Raises ``UnknownRun``, ``StoreDamaged``."""
    return files_at(read_state(books, run, position).state, events_after(books, run, position))


def events_after(books: Books, run: str, after: int) -> Iterator[Event]:
    """Yield the run's events past position ``after``."""
    while True:
        page = books.read(run, after, READ_PAGE_EVENTS)
        yield from map(unseal, page)
        if len(page) < READ_PAGE_EVENTS:
            return
        after = page[-1].position
