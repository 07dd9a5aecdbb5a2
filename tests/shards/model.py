"""Makers with different lists of shards, stopped and killed between any two looks: has each tenant one home?

Each maker runs in a thread and stops before every call to a shard; a schedule says who goes on next, and who dies. The
schedule is drawn by Hypothesis, so that what breaks is found again and made short.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from perdure.adapters.memory.roster import MemoryRoster
from perdure.adapters.memory.store import MemoryStore
from perdure.adapters.shards.reaching import Shard
from perdure.adapters.shards.store import ShardedStore
from perdure.log.port import NewRun
from perdure.log.roster import Roster, RosterStore
from perdure.values.errors import TryAgain, WrongShards

T = TypeVar("T")

SECONDS: Final = 60


class Killed(BaseException):
    """The maker's process is gone."""


class Maker:
    """One process that opens the store with its list of shards and makes a run of ``tenant``."""

    def __init__(self, world: "World", names: Sequence[str], tenant: str) -> None:
        self.world = world
        self.names = names
        self.tenant = tenant
        self.end = ""
        self._may = threading.Semaphore(0)
        self._rests = threading.Semaphore(0)
        self._dead = False
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        assert self._rests.acquire(timeout=SECONDS)

    def step(self, *, dies: bool = False) -> bool:
        """Let it make its next call to a shard; tell whether there was one."""
        if self.end:
            return False
        self._dead = dies
        self._may.release()
        assert self._rests.acquire(timeout=SECONDS)
        return True

    def call(self, verb: Callable[[], T]) -> T:
        self._rests.release()
        # Whoever lets it go on has a bound; a maker that is left behind waits for good, and troubles no other test.
        self._may.acquire()
        if self._dead:
            raise Killed
        return verb()

    def _work(self) -> None:
        try:
            store = ShardedStore({name: self._opens(name) for name in self.names})
            run = store.name_for("march", self.tenant)
            store.create(NewRun(run, run, self.tenant, 1))
            self.end = "made"
        except WrongShards:
            self.end = "refused"
        except (Killed, TryAgain):
            self.end = "gone"
        finally:
            self._rests.release()

    def _opens(self, name: str) -> Callable[[], Shard]:
        books, roster = self.world.shards[name]
        return lambda: Shard(books, Stopping(roster, self), lambda: None)


class Stopping:
    """A shard's roster that its maker stops before."""

    def __init__(self, roster: RosterStore, maker: Maker) -> None:
        self._roster = roster
        self._maker = maker

    def look(self) -> Roster:
        return self._maker.call(self._roster.look)

    def introduce(self, name: str, known: frozenset[str]) -> Roster:
        return self._maker.call(lambda: self._roster.introduce(name, known))

    def placed(self, what: str) -> str | None:
        return self._maker.call(lambda: self._roster.placed(what))

    def place(self, what: str, where: str, known: frozenset[str]) -> str | None:
        return self._maker.call(lambda: self._roster.place(what, where, known))


class World:
    """The shards, and what is true of them."""

    def __init__(self, names: Sequence[str], roster: type[MemoryRoster] = MemoryRoster) -> None:
        self.shards: Mapping[str, tuple[MemoryStore, RosterStore]] = {
            name: (store, roster(store)) for name in names for store in (MemoryStore(),)
        }

    def homes(self, tenant: str) -> set[str]:
        """Return the shards on which the tenant has runs."""
        return {
            name
            for name, (books, _) in self.shards.items()
            if any(row.tenant == tenant for row in books.rows())
        }

    def played(self, makers: Sequence[Maker], schedule: Sequence[tuple[int, bool]]) -> None:
        """Let ``makers`` go on as the schedule says, and then to their ends."""
        for pick, dies in schedule:
            makers[pick % len(makers)].step(dies=dies)
        for maker in makers:
            while maker.step():
                pass
