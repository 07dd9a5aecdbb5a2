"""New events as they become durable, of one run or several, whoever writes them."""

from collections.abc import Iterator

from perdure.driver.books import Books
from perdure.log.envelope import Stored
from perdure.log.port import RunRow
from perdure.values.errors import UnknownRun
from perdure.values.limits import READ_PAGE_EVENTS

PAUSE_SECONDS = 0.5
"""The longest wait between two looks, in case the store's own news are missed."""

CLOSED = ("finished", "failed", "cancelled")


class Follower:
    """Reads runs forward. Every event is given out once, a run's own in order."""

    def __init__(self, books: Books, run: str, after: int = 0) -> None:
        """Follow ``run`` past position ``after``."""
        self._books: Books = books
        self._seen: dict[str, int] = {run: after}
        self._mark: int = books.watch(-1, 0)

    def add(self, run: str) -> None:
        """Follow ``run`` too, from its beginning; it needn't be there yet."""
        self._seen.setdefault(run, 0)

    def news(self) -> Iterator[Stored]:
        """Yield what is new since the last time."""
        for run in tuple(self._seen):
            try:
                yield from self._rest(run)
            except UnknownRun:
                continue

    def wait(self, seconds: float = PAUSE_SECONDS) -> None:
        """Return when the store has changed since the last ``wait``, or after ``seconds``."""
        self._mark = self._books.watch(self._mark, seconds)

    def _rest(self, run: str) -> Iterator[Stored]:
        while True:
            page = self._books.read(run, self._seen[run], READ_PAGE_EVENTS)
            for stored in page:
                self._seen[run] = stored.position
                yield stored
            if len(page) < READ_PAGE_EVENTS:
                return


def is_closed(row: RunRow) -> bool:
    """Tell whether the run of ``row`` has ended."""
    return row.status in CLOSED
