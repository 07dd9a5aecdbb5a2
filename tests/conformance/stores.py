"""The stores that must pass, and the few words that tests say to them."""

import hashlib
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec
import pytest

from perdure.adapters import holders
from perdure.adapters.holders import Proof, this_holder
from perdure.adapters.memory.roster import MemoryRoster
from perdure.adapters.memory.store import MemoryStore
from perdure.adapters.postgres.store import PostgresStore
from perdure.adapters.shards.reaching import Shard
from perdure.adapters.shards.store import ShardedStore
from perdure.adapters.sqlite.store import SqliteStore
from perdure.log.envelope import GENESIS, Event, Stored, seal
from perdure.log.events import Content, MessageReceived
from perdure.log.port import (
    Appended,
    Batch,
    BlobStore,
    ClaimClosed,
    ClaimOpened,
    ClaimStore,
    CounterMoved,
    Holder,
    Lease,
    LeaseStore,
    LogStore,
    NewRun,
    Post,
    Remembered,
    SnapshotStore,
)
from tests.servers.shared import MISSING, is_here, worker_of

SECONDS = 60
"""No future of a healthy store takes longer, however busy the machine is."""


class Store(LogStore, LeaseStore, ClaimStore, BlobStore, SnapshotStore, Protocol):
    """All of the port in one, and its end."""

    def close(self) -> None: ...


Factory = Callable[[Path], Store]


def memory_shards(names: Sequence[str] = ("a", "b", "c"), proof: Proof = holders.fate) -> ShardedStore:
    """Return a store over shards in memory."""

    def opens() -> Shard:
        store = MemoryStore(proof=proof)
        return Shard(store, MemoryRoster(store), store.close)

    return ShardedStore(dict.fromkeys(names, opens))


STORES: dict[str, Factory] = {
    "memory": lambda _directory: MemoryStore(),
    "shards": lambda _directory: memory_shards(),
    "sqlite": lambda directory: SqliteStore(directory / "store"),
    "postgres": lambda directory: PostgresStore(worker_of(directory)),
}


def skip_if_missing(name: str) -> None:
    """Pass a test over where the store's server can't be had."""
    if name == "postgres" and not is_here():
        pytest.skip(MISSING)


@contextmanager
def open_for(factory: Factory, directory: Path) -> Generator[Store]:
    store = factory(directory)
    try:
        yield store
    finally:
        store.close()


class Writer:
    """A run's writer as a test sees it: it seals events onto the head that it knows."""

    def __init__(self, store: Store, run: str, lease: Lease, position: int = 0, head: bytes = GENESIS):
        self.store = store
        self.run = run
        self.epoch = lease.epoch
        self.position = position
        self.head = head

    def events(self, count: int = 1, text: str = "hello") -> list[Stored]:
        """Seal the next events without appending them."""
        sealed: list[Stored] = []
        head = self.head
        for position in range(self.position + 1, self.position + 1 + count):
            body = MessageReceived(f"m{position}", "ann", Content(len(text.encode()), text))
            stored = seal(Event(self.run, position, position * 1000, self.epoch, position - 1, body), head)
            head = stored.digest
            sealed.append(stored)
        return sealed

    def batch(
        self,
        count: int = 1,
        *,
        text: str = "hello",
        blobs: Sequence[tuple[str, bytes]] = (),
        opened: Sequence[ClaimOpened] = (),
        closed: Sequence[ClaimClosed] = (),
        counters: Sequence[CounterMoved] = (),
        consumed: Sequence[str] = (),
        status: str | None = None,
        wake: int | None = None,
        alone: bool = False,
    ) -> Batch:
        return Batch(
            self.run,
            self.position,
            self.epoch,
            self.events(count, text),
            blobs,
            opened,
            closed,
            counters,
            consumed,
            status=status,
            wake=wake,
            alone=alone,
        )

    def append(self, batch: Batch | None = None) -> Appended | Remembered:
        """Append and wait; from then on this writer knows the new head."""
        batch = batch or self.batch()
        answer = self.store.append(batch).result(SECONDS)
        if isinstance(answer, Appended) and batch.events:
            self.position, self.head = answer.position, batch.events[-1].digest
        return answer


def opened_run(store: Store, run: str = "march", token: str = "w1", tenant: str = "acme") -> Writer:
    """Make a run and begin to write it."""
    assert store.create(NewRun(run, f"lineage-of-{run}", tenant, 7))
    return Writer(store, run, store.acquire(run, holder(token)))


def forked_run(store: Store, parent: str, at: int, run: str, token: str = "w1") -> Writer:
    """Make a fork and begin to write it."""
    assert store.create(NewRun(run, f"lineage-of-{parent}", "acme", 8, parent, at))
    (row,) = store.rows(run)
    return Writer(store, run, store.acquire(run, holder(token)), row.position, row.head)


def holder(token: str) -> Holder:
    return this_holder(token)


def claim(
    key: str, stem: str = "", *, scope: str = "lineage", position: int = 1, attempt: int = 1
) -> ClaimOpened:
    return ClaimOpened(key, stem or f"stem-{key}", scope, "pay", attempt, position, "a" * 64, "b" * 64)


def blob(content: bytes) -> tuple[str, bytes]:
    return hashlib.sha256(content).hexdigest(), content


def post(name: str, body: bytes = b'{"id":"x"}') -> Post:
    return Post(name, "message.received", msgspec.Raw(body), 5)
