"""A persistent mapping: ``put`` returns a new table and leaves the old one as it was.

Invariants:
- A table never changes once made, so states can share it and a decision can't disturb its input.
- Iteration goes in order of first insertion, whatever was updated since.

Cost: a lookup reads at most two dicts; a put copies the small one (at most about √n items), and
folds it into the large one when it has grown past that. Cheaper in plain Python than a tree at
the sizes a run has (up to some 10^5), and without a dependency below the driver.
"""

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import Generic, TypeVar, cast, overload

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

_RECENT_MIN = 32


class Table(Mapping[K, V], Generic[K, V]):
    """An immutable mapping with cheap ``put``."""

    __slots__: tuple[str, ...] = ("_base", "_fresh", "_recent")

    def __init__(
        self, items: Mapping[K, V] | None = None, recent: dict[K, V] | None = None, fresh: int = 0
    ) -> None:
        """Hold ``items``, uncopied: nobody may change them from here on.

        ``recent`` and ``fresh`` (how many of its keys ``items`` hasn't) are for ``put`` alone.
        """
        self._base: Mapping[K, V] = items if items is not None else {}
        self._recent: dict[K, V] = recent if recent is not None else {}
        self._fresh: int = fresh

    def put(self, key: K, value: V) -> "Table[K, V]":
        """Return a table in which ``key`` has ``value``."""
        recent = self._recent.copy()
        fresh = self._fresh + (key not in recent and key not in self._base)
        recent[key] = value
        if len(recent) > _RECENT_MIN and len(recent) * len(recent) > len(self._base):
            return Table({**self._base, **recent})
        return Table(self._base, recent, fresh)

    def without(self, key: K) -> "Table[K, V]":
        """Return a table that doesn't have ``key``; costs a copy, so keep it to small tables."""
        rest = {**self._base, **self._recent}
        rest.pop(key, None)
        return Table(rest)

    def __getitem__(self, key: K) -> V:
        """Return the value of ``key``; raise ``KeyError`` without one."""
        if key in self._recent:
            return self._recent[key]
        return self._base[key]

    @overload
    def get(self, key: K, /) -> V | None: ...

    @overload
    def get(self, key: K, /, default: V | T) -> V | T: ...

    def get(self, key: K, /, default: V | T | None = None) -> V | T | None:
        """Return the value of ``key``, or ``default``."""
        recent = self._recent
        if key in recent:
            return recent[key]
        return self._base.get(key, default)

    def items(self) -> ItemsView[K, V]:
        """Return the pairs, in order of first insertion."""
        return super().items() if self._recent else self._base.items()

    def values(self) -> ValuesView[V]:
        """Return the values, in order of their keys' first insertion."""
        return super().values() if self._recent else self._base.values()

    def __contains__(self, key: object) -> bool:
        """Tell whether ``key`` has a value."""
        return key in self._recent or key in self._base

    def __iter__(self) -> Iterator[K]:
        """Yield keys in order of first insertion."""
        yield from self._base
        if self._fresh:
            for key in self._recent:
                if key not in self._base:
                    yield key

    def __len__(self) -> int:
        """Return how many keys have a value."""
        return len(self._base) + self._fresh

    def __hash__(self) -> int:
        """Refuse: a table may hold what has no hash."""
        raise TypeError("a Table has no hash")

    def __eq__(self, other: object) -> bool:
        """Tell whether both hold the same pairs."""
        if not isinstance(other, Mapping):
            return NotImplemented
        return dict(self) == dict(cast("Mapping[object, object]", other))

    def __repr__(self) -> str:
        """Show the pairs."""
        return f"Table({dict(self)!r})"
