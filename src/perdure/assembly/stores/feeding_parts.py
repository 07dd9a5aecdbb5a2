"""The feed of a store that is several: each part's own, side by side.

Invariants:
- A run lives on one part, so its batches stay in order. Batches of different parts have no order, and need none.
- A cursor holds one of each part. A part that is away is not skipped: its cursor stays, and the page says that it is away.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from perdure.log.feed import FedBatch, FeedCursor, FeedPage, FeedStore, Stall
from perdure.values.errors import BadInput
from perdure.values.limits import FEED_PAGE_BATCHES_MAX

BETWEEN: Final = "+"
OF: Final = ":"
"""In a cursor: between parts, and after a part's name; neither is in a name, or in a part's own cursor."""


class PartedFeed:
    """One feed over those of all parts."""

    def __init__(
        self, parts: Callable[[], Mapping[str, FeedStore]], missing: Callable[[], Mapping[str, str]]
    ) -> None:
        """Read what ``parts`` says can be reached; ``missing`` says which can't be, and why."""
        self._parts: Callable[[], Mapping[str, FeedStore]] = parts
        self._missing: Callable[[], Mapping[str, str]] = missing

    def page(self, after: str | None = None, limit: int = FEED_PAGE_BATCHES_MAX) -> FeedPage:
        cursors = _read(after)
        parts = self._parts()
        entries: list[FedBatch] = []
        stall, lag = _away(self._missing()), 0.0
        # Each has its share of a page: one with much to tell doesn't keep the others waiting.
        share = max(1, limit // max(1, len(parts)))
        for name, feed in parts.items():
            page = feed.page(cursors.get(name), share)
            entries += page.entries
            cursors[name] = page.cursor
            stall = stall or page.stalled_by
            lag = max(lag, page.lag_seconds)
        return FeedPage(tuple(entries), _said(cursors), stall, lag)

    def reader(self, name: str) -> str:
        return _said({part: feed.reader(name) for part, feed in self._parts().items()})

    def acknowledge(self, name: str, cursor: str) -> bool:
        cursors = _read(cursor)
        moved = [
            feed.acknowledge(name, cursors[part]) for part, feed in self._parts().items() if part in cursors
        ]
        return any(moved)

    def forget(self, name: str) -> bool:
        gone = [feed.forget(name) for feed in self._parts().values()]
        return any(gone)

    def cursors(self) -> Sequence[FeedCursor]:
        found: dict[str, dict[str, FeedCursor]] = {}
        for part, feed in self._parts().items():
            for each in feed.cursors():
                found.setdefault(each.name, {})[part] = each
        told = [
            FeedCursor(
                name,
                _said({part: each.cursor for part, each in parts.items()}),
                sum(each.lag_entries for each in parts.values()),
                max(each.lag_seconds for each in parts.values()),
            )
            for name, parts in found.items()
        ]
        return sorted(told, key=lambda each: (-each.lag_entries, each.name))

    def prune(self, keep_seconds: float) -> int:
        return sum(feed.prune(keep_seconds) for feed in self._parts().values())


def _away(missing: Mapping[str, str]) -> Stall | None:
    for name, why in missing.items():
        return Stall("away", None, name, "", "", 0.0, "away", why, "its batches come once it is back")
    return None


def _said(cursors: Mapping[str, str]) -> str:
    return BETWEEN.join(f"{name}{OF}{cursor}" for name, cursor in sorted(cursors.items()))


def _read(cursor: str | None) -> dict[str, str]:
    if cursor is None:
        return {}
    parts = [part.partition(OF) for part in cursor.split(BETWEEN)]
    if not all(name and own for name, _, own in parts):
        raise BadInput(f"{cursor!r} is no cursor of this store's feed", hint="give back what a page said")
    return {name: own for name, _, own in parts}
