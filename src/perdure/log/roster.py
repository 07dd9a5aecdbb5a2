"""The port to what one shard knows of the others, and of where tenants live.

Invariants that every adapter keeps:
- A shard's name, once given, never changes; the shards that it knows only grow.
- A placement, once made, never changes; it is made only while its maker knows the same shards as the database does,
  in one transaction with that look.
"""

from typing import NamedTuple, Protocol


class Roster(NamedTuple):
    """What a database knows of the shards of its store."""

    name: str | None
    """its own; None before it became a shard"""
    known: frozenset[str]


class RosterStore(Protocol):
    """One shard's memory of shards and placements."""

    def look(self) -> Roster:
        """Return what it knows."""
        ...

    def introduce(self, name: str, known: frozenset[str]) -> Roster:
        """It is shard ``name`` and knows ``known`` beside what it knew, durably; return what it knows now.

        Where it has another name already nothing is changed: the answer shows it.
        """
        ...

    def placed(self, what: str) -> str | None:
        """Return the shard that ``what`` was placed on, as far as this one knows.

        ``what`` is ``tenant:NAME`` or ``run:NAME``; a tenant that has runs here is here, and so is a run.
        """
        ...

    def place(self, what: str, where: str, known: frozenset[str]) -> str | None:
        """Place ``what`` on shard ``where``, durably, unless it was placed; return the shard that it is on.

        None, and nothing is placed, where this shard knows other shards than ``known``.
        """
        ...
