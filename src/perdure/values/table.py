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
_RECENT_COSTLY = 1024
"""Puts before a base that is costly to read is read whole; more than one fold to a position makes."""


class Table(Mapping[K, V], Generic[K, V]):
    """An immutable mapping with cheap ``put``."""

    __slots__: tuple[str, ...] = ("_base", "_costly", "_fresh", "_recent")

    def __init__(
        self,
        items: Mapping[K, V] | None = None,
        *,
        recent: dict[K, V] | None = None,
        fresh: int = 0,
        costly: bool = False,
    ) -> None:
        """Hold ``items``, uncopied: nobody may change them from here on.

        ``costly``: asking ``items`` whether it has a key is slow, so a put doesn't. ``recent`` and
        ``fresh`` (how many of its keys ``items`` hasn't; -1 if that isn't known) are for ``put``.
        """
        self._base: Mapping[K, V] = items if items is not None else {}
        self._recent: dict[K, V] = recent if recent is not None else {}
        self._fresh: int = fresh
        self._costly: bool = costly

    def put(self, key: K, value: V) -> "Table[K, V]":
        """Return a table in which ``key`` has ``value``."""
        base, recent = self._base, self._recent.copy()
        fresh = -1 if self._costly else self._fresh + (key not in recent and key not in base)
        recent[key] = value
        least = _RECENT_COSTLY if self._costly else _RECENT_MIN
        if len(recent) > least and len(recent) * len(recent) > len(base):
            return Table({**base, **recent})
        return Table(base, recent=recent, fresh=fresh, costly=self._costly)

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
        return {**self._base, **self._recent}.items() if self._recent else self._base.items()

    def values(self) -> ValuesView[V]:
        """Return the values, in order of their keys' first insertion."""
        return {**self._base, **self._recent}.values() if self._recent else self._base.values()

    def __contains__(self, key: object) -> bool:
        """Tell whether ``key`` has a value."""
        return key in self._recent or key in self._base

    def __iter__(self) -> Iterator[K]:
        """Yield keys in order of first insertion."""
        yield from self._base
        if self._fresh and self._recent:
            for key in self._recent:
                if key not in self._base:
                    yield key

    def __len__(self) -> int:
        """Return how many keys have a value."""
        if self._fresh < 0:
            self._fresh = sum(key not in self._base for key in self._recent)
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
