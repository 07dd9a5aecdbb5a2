"""A store over several: it routes, and keeps nothing.

Invariants:
- What is asked of a run goes to the one shard it lives on; no transaction touches two.
- An answer that could lack something because a shard is away is refused, except lists, which say what is missing.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from perdure.adapters.shards.marks import Marks
from perdure.adapters.shards.placing import Placing
from perdure.adapters.shards.reaching import Opens, ShardBooks, Shards
from perdure.log.envelope import Stored
from perdure.log.events import ClaimSeen, CounterSeen
from perdure.log.port import Appended, Batch, Holder, Lease, NewRun, Post, Remembered, RunRow
from perdure.values.errors import BlobMissing, PerdureError, StoreAway, UnknownRun, WrongShards
from perdure.values.ids import checked_name

T = TypeVar("T")


class ShardedStore:
    """All protocols of ``perdure.log.port`` over shards."""

    def __init__(self, named: Mapping[str, Opens], *, told: str = "the store's file") -> None:
        """Route to the shards ``named``; raises ``WrongShards`` if one of them knows better."""
        self._shards: Shards = Shards(named, told=told)
        self._placing: Placing = Placing(self._shards)
        self._marks: Marks = Marks(self._shards)

    def close(self) -> None:
        """End all shards."""
        self._marks.close()
        self._shards.close()

    # -- several in one ------------------------------------------------------------------------------

    def within(self, run: str) -> ShardBooks:
        """Return the shard that ``run`` lives on, whole. Raises ``UnknownRun``, ``StoreAway``."""
        return self._books(self._of_run(run))

    def name_for(self, run: str, tenant: str) -> str:
        """Return the name under which a new run of ``tenant`` is made: it says the shard."""
        checked_name(run, field="run")
        where = self._placing.of_tenant(checked_name(tenant, field="tenant"))
        said = self._placing.said_by(run)
        if said is None:
            return f"{where}.{run}"
        self._same(run, said, tenant, where)
        return run

    def shards(self) -> Mapping[str, ShardBooks]:
        """Return the shards that can be reached, by name."""
        found: dict[str, ShardBooks] = {}
        for name in self._shards.names:
            with suppress(StoreAway):
                found[name] = self._asked(name, lambda books: books)
        return found

    def missing(self) -> Mapping[str, str]:
        """Return the shards that were away when they were last asked, and why: lists lack what is there."""
        return self._shards.away()

    # -- the log -------------------------------------------------------------------------------------

    def append(self, batch: Batch) -> "Future[Appended | Remembered]":
        try:
            return self.within(batch.run).append(batch)
        except PerdureError as error:
            refused: Future[Appended | Remembered] = Future()
            refused.set_exception(error)
            return refused

    def read(self, run: str, after: int = 0, limit: int = 1000) -> Sequence[Stored]:
        return self._asked(self._of_run(run), lambda books: books.read(run, after, limit))

    def watch(self, after: int, timeout: float) -> int:
        return self._marks.wait(after, timeout)

    def post(self, run: str, post: Post) -> bool:
        return self._asked(self._of_run(run), lambda books: books.post(run, post))

    def inbox(self, run: str) -> Sequence[Post]:
        return self._asked(self._of_run(run), lambda books: books.inbox(run))

    def rows(
        self, run: str | None = None, *, lineage: str | None = None, newest: int | None = None
    ) -> Sequence[RunRow]:
        if run is None:
            found = [row for name in self._shards.names for row in self._listed(name, lineage, newest)]
            found.sort(key=lambda row: row.created)
            return found if newest is None else found[max(len(found) - newest, 0) :]
        where = self._where(run)
        return self._asked(where, lambda books: books.rows(run)) if where is not None else []

    # -- leases --------------------------------------------------------------------------------------

    def create(self, new: NewRun) -> bool:
        where = self._of_run(new.parent) if new.parent is not None else self._placing.of_tenant(new.tenant)
        said = self._placing.said_by(new.run)
        if said is not None:
            self._same(new.run, said, new.tenant, where)
        elif self._placing.of_name(new.run, where) != where:
            return False
        return self._asked(where, lambda books: books.create(new))

    def acquire(self, run: str, holder: Holder, *, take_over: bool = False) -> Lease:
        return self._asked(self._of_run(run), lambda books: books.acquire(run, holder, take_over=take_over))

    def has_post(self, run: str) -> bool:
        return self.within(run).has_post(run)

    def release(self, run: str, epoch: int, *, ended: bool = True) -> None:
        self._asked(self._of_run(run), lambda books: books.release(run, epoch, ended=ended))

    # -- what is remembered across runs --------------------------------------------------------------

    def claims(self, *, stem: str | None = None, scope: str | None = None) -> Sequence[ClaimSeen]:
        # A scope is a lineage's or a tenant's, and each lives on one shard.
        return [claim for shard in self._shards.all() for claim in shard.books.claims(stem=stem, scope=scope)]

    def counters(self, names: Sequence[str]) -> Sequence[CounterSeen]:
        found = {seen.counter: seen for shard in self._shards.all() for seen in shard.books.counters(names)}
        return [found[name] for name in names if name in found]

    # -- blobs: whoever writes a run does so within its shard ----------------------------------------

    def get(self, digest: str, start: int = 0, size: int | None = None) -> bytes:
        away: StoreAway | None = None
        for name in self._shards.names:
            try:
                return self._asked(name, lambda books: books.get(digest, start, size))
            except BlobMissing:
                continue
            except StoreAway as error:
                away = error
        raise away or BlobMissing(f"blob {digest} is not in this store")

    def put(self, digest: str, content: bytes) -> None:
        # Nobody says whose it is, so it is on all of them: the event that names it may come to any.
        for shard in self._shards.all():
            shard.books.put(digest, content)

    def has(self, digest: str) -> bool:
        return any(shard.books.has(digest) for shard in self._shards.all())

    def flush(self) -> None:
        for shard in self._shards.all():
            shard.books.flush()

    # -- snapshots -----------------------------------------------------------------------------------

    def save(self, run: str, position: int, manifest: bytes, chunks: Sequence[tuple[str, bytes]]) -> None:
        self.within(run).save(run, position, manifest, chunks)

    def latest(self, run: str, at_most: int) -> tuple[int, bytes] | None:
        return self._asked(self._of_run(run), lambda books: books.latest(run, at_most))

    def chunk(self, digest: str) -> bytes | None:
        for name in self._shards.names:
            try:
                found = self._asked(name, lambda books: books.chunk(digest))
            except StoreAway:
                continue
            if found is not None:
                return found
        return None

    # -- inside --------------------------------------------------------------------------------------

    def _books(self, name: str) -> ShardBooks:
        return self._shards.reach(name).books

    def _asked(self, name: str, ask: Callable[[ShardBooks], T]) -> T:
        return self._shards.asked(name, lambda shard: ask(shard.books))

    def _listed(self, name: str, lineage: str | None, newest: int | None) -> Sequence[RunRow]:
        try:
            return self._asked(name, lambda books: books.rows(lineage=lineage, newest=newest))
        except StoreAway:
            return ()

    def _where(self, run: str) -> str | None:
        return self._placing.said_by(run) or self._placing.found(f"run:{run}")

    def _of_run(self, run: str) -> str:
        where = self._where(run)
        if where is None:
            raise UnknownRun(f"there is no run {run!r} in this store")
        return where

    def _same(self, run: str, said: str, tenant: str, where: str) -> None:
        if said != where:
            raise WrongShards(
                f"the name {run} says shard {said}, and tenant {tenant} lives on shard {where}",
                hint=f"name it {where}.{run.partition('.')[2]}, or leave the shard out",
            )
