"""Reaching the shards: each is opened when it is first needed, and again after it was away.

Invariants:
- A shard is used only after it has said that it is the one the name means, and knows all the others.
- One that is away costs the others nothing: it isn't asked again for a while. One that takes what is asked and says
  nothing isn't for as long as it took to find out: at most half of anybody's time is spent waiting for it.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple, Protocol, TypeVar

from perdure.log.port import BlobStore, ClaimStore, LeaseStore, LogStore, SnapshotStore
from perdure.log.roster import Roster, RosterStore
from perdure.values.errors import Busy, StoreAway, StoreSilent, WrongShards
from perdure.values.limits import SHARD_RETRY_SECONDS

T = TypeVar("T")


class Absence(NamedTuple):
    """A shard that was away when it was last asked."""

    why: str
    until: float
    """it isn't opened again before"""
    silent: bool
    """nor asked, where it is open"""


class ShardBooks(LogStore, LeaseStore, ClaimStore, BlobStore, SnapshotStore, Protocol):
    """One of the stores, whole."""


class Shard(NamedTuple):
    """One open shard."""

    books: ShardBooks
    roster: RosterStore
    close: Callable[[], None]


Opens = Callable[[], Shard]
"""Opens a shard; raises ``StoreAway`` where it can't be reached."""


class Shards:
    """The shards by name, in the order in which they are listed."""

    def __init__(
        self, named: Mapping[str, Opens], *, told: str, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Reach ``named``; ``told`` says where their names come from.

        Raises ``WrongShards`` if one of them knows better. Those that are away are reached later.
        """
        self.known: frozenset[str] = frozenset(named)
        self.names: tuple[str, ...] = tuple(sorted(named))
        self._opens: Mapping[str, Opens] = named
        self._told: str = told
        self._now: Callable[[], float] = now
        self._guards: dict[str, threading.Lock] = {name: threading.Lock() for name in named}
        self._open: dict[str, Shard] = {}
        self._away: dict[str, Absence] = {}
        self._closed: bool = False
        try:
            for name in self.names:
                with suppress(StoreAway):
                    self.reach(name)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End all that were opened."""
        self._closed = True
        for shard in self._open.values():
            shard.close()

    def reach(self, name: str) -> Shard:
        """Return the open shard. Raises ``StoreAway`` naming it, ``WrongShards``."""
        shard = self._open.get(name)
        if shard is not None:
            return shard
        with self._guards[name]:
            shard = self._open.get(name)
            if shard is None:
                shard = self._opened(name)
                self._open[name] = shard
            return shard

    def all(self) -> list[Shard]:
        """Return all shards. Raises ``StoreAway`` if one is away."""
        return [self.reach(name) for name in self.names]

    def agree(self) -> None:
        """Every shard knows all of them, from here on. Raises ``StoreAway``, ``WrongShards``."""
        for name in self.names:
            self._introduced(name, self.reach(name).roster)

    def asked(self, name: str, ask: Callable[[Shard], T]) -> T:
        """Return what the shard answers. Raises ``StoreAway`` naming it, and remembers that it was away."""
        absence = self._away.get(name)
        if absence is not None and absence.silent and self._now() < absence.until:
            raise StoreAway(f"shard {name} is away: {absence.why}")
        shard, begun = self.reach(name), self._now()
        try:
            answer = ask(shard)
        except StoreAway as error:
            self._missed(name, error, begun)
            raise StoreAway(f"shard {name} is away: {error}") from error
        self._away.pop(name, None)
        return answer

    def away(self) -> Mapping[str, str]:
        """Return the shards that didn't answer when they were last asked, and what was said."""
        return {name: absence.why for name, absence in sorted(self._away.items())}

    def _missed(self, name: str, error: StoreAway, begun: float) -> None:
        """The shard is away; ``begun`` is when it was asked."""
        silent, now = isinstance(error, StoreSilent), self._now()
        pause = max(SHARD_RETRY_SECONDS, now - begun if silent else 0.0)
        self._away[name] = Absence(str(error), now + pause, silent)

    def _opened(self, name: str) -> Shard:
        absence, begun = self._away.get(name), self._now()
        if absence is not None and begun < absence.until:
            raise StoreAway(f"shard {name} is away: {absence.why}")
        if self._closed:
            raise Busy("the store is closed")
        try:
            shard = self._opens[name]()
        except StoreAway as error:
            self._missed(name, error, begun)
            raise StoreAway(f"shard {name} is away: {error}") from error
        try:
            self._introduced(name, shard.roster)
        except BaseException:
            shard.close()
            raise
        self._away.pop(name, None)
        return shard

    def _introduced(self, name: str, roster: RosterStore) -> None:
        seen = roster.look()
        self._check(name, seen)
        if seen.name is None or seen.known != self.known:
            self._check(name, roster.introduce(name, self.known))

    def _check(self, name: str, seen: Roster) -> None:
        if seen.name not in (None, name):
            raise WrongShards(f"{self._told} calls the database of shard {seen.name} shard {name}")
        lacking = sorted(seen.known - self.known)
        if lacking:
            raise WrongShards(f"{self._told} lacks shard {lacking[0]}, which shard {name} knows")
