"""How many effects are open, without reading the table of claims again and again.

Invariants:
- What was settled is never open again: only what was open, and what is new since the look before the last, is looked at.
- A look reads a bounded number of rows, by their numbers: a long table is read in several looks, and until its end was
  reached some of its open effects are not counted.
- A number that its transaction took long before it committed is found, if that was no longer than from one look to the
  next but one.
"""

from typing import Final, NamedTuple

import psycopg

from perdure.adapters.postgres.columns import asked
from perdure.values.limits import WATCH_CLAIMS_PAGE, WATCH_CLAIMS_PAGES, WATCH_OPEN_MAX

Server = psycopg.Connection[tuple[object, ...]]

_STILL: Final = "SELECT number FROM claims WHERE number = ANY(%s) AND outcome IS NULL"
_LAST: Final = "SELECT coalesce(max(number), 0) FROM claims"
_PAGE: Final = """
SELECT coalesce(max(number), 0), count(*), array_agg(number) FILTER (WHERE outcome IS NULL)
FROM (SELECT number, outcome FROM claims WHERE number > %s ORDER BY number LIMIT {rows}) page
"""


class _Page(NamedTuple):
    last: int
    seen: int
    found: list[int] | None


class OpenClaims:
    """Which claims are open, as far as they were looked at."""

    def __init__(self, *, rows: int = WATCH_CLAIMS_PAGE, pages: int = WATCH_CLAIMS_PAGES) -> None:
        """Read so many ``pages`` of so many ``rows`` in a look at most; nothing was looked at yet."""
        self._page: bytes = _PAGE.format(rows=rows).encode()
        self._rows: int = rows
        self._pages: int = pages
        self._open: set[int] = set()
        self._from: int = 0
        """the last number that the look before the last one has seen"""
        self._upto: int = 0

    def count(self, db: Server) -> int:
        """Look, and return how many are open: ``WATCH_OPEN_MAX`` at most."""
        (last,) = asked(db, int, _LAST)
        if last < self._from:
            # A server that never had what we have seen: it gives those numbers to other claims.
            self._open.clear()
            self._from = self._upto = 0
        if self._open:
            self._open = set(asked(db, int, _STILL, (list(self._open),)))
        self._read_on(db)
        return len(self._open)

    def _read_on(self, db: Server) -> None:
        after = self._from
        for _ in range(self._pages):
            last, seen, found = asked(db, _Page, self._page, (after,))[0]
            after = max(after, last)
            self._open.update((found or ())[: max(WATCH_OPEN_MAX - len(self._open), 0)])
            if seen < self._rows:
                self._from, self._upto = self._upto, after
                return
        self._from = self._upto = after
