"""Keeping a store: copies, figures, room, what may go, and saying which copy counts."""

import uuid
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from perdure.adapters.sqlite import SqliteStore
from perdure.adapters.sqlite.budget import Room
from perdure.adapters.sqlite.compacting import Compacted
from perdure.adapters.sqlite.stats import StoreStats
from perdure.assembly.clock import SystemClock
from perdure.assembly.files.letting_go import LettingGo, letting_go, may_be_pinned
from perdure.assembly.store import Store
from perdure.assembly.stores.addresses import Address
from perdure.assembly.stores.clusters import collect_all
from perdure.log import events as e
from perdure.log.garbage import Collected, Tell
from perdure.log.port import Post
from perdure.values.errors import BadInput

__all__ = ["Collected", "Compacted", "LettingGo", "Room", "StoreStats"]


def back_up(address: Address, target: Path) -> None:
    """There is a consistent copy at ``target``; it opens with its runs suspended.

    Raises ``BadInput`` if something is there already, or the store is none in a file.
    """
    if address.kind != "directory":
        raise BadInput(
            f"{address} is backed up by its server's own means",
            hint="pg_basebackup with a WAL archive, which also goes back to a point in time, or pg_dump of the schema "
            "perdure; see docs/team.md",
        )
    with _opened(address) as books:
        books.backup(target)


def stats_of(address: Address) -> StoreStats:
    """Return what the store holds and how much room it takes."""
    with _opened(address) as books:
        return books.stats()


def release_store(address: Address, by: str) -> None:
    """``by`` says that this copy is the one that counts; its runs may be driven from here on."""
    with _opened(address) as books:
        books.release_store(by)


def collect(address: Address, *, trial: bool, tell: Tell) -> Collected:
    """What no event, fork, claim or waiting post reaches is gone, or waits while somebody may still name it.

    A trial takes nothing away. Raises ``BlobMissing`` or ``StoreDamaged``, before anything goes, if the store
    is damaged, ``StoreNewer`` if it holds events of a newer perdure.
    """
    if address.kind != "directory":
        return collect_all(address, trial=trial, tell=tell)
    with _opened(address) as books:
        return books.collect(trial=trial, tell=tell)


def compact(address: Address) -> Compacted:
    """The log's file holds no free pages any more; see ``perdure.adapters.sqlite.compacting``."""
    if address.kind != "directory":
        raise BadInput(
            f"{address} gives its pages back by itself",
            hint="let autovacuum run; VACUUM FULL blocks the store",
        )
    with _opened(address) as books:
        return books.compact()


def _bounded(address: Address) -> Address:
    if address.kind != "directory":
        raise BadInput(
            f"{address} has no budget of its own",
            hint="watch the server's disk: `perdure store stats` has its sizes",
        )
    return address


def room_of(address: Address) -> Room:
    """Return what the store takes on disk, and what it may take."""
    with _opened(_bounded(address)) as books:
        return books.room()


def set_budget(address: Address, budget: int | None, *, forget: bool = False) -> Room:
    """The store may take ``budget`` bytes (None: without bound), or with ``forget`` what it may by itself."""
    with _opened(_bounded(address)) as books:
        if forget:
            books.forget_budget()
        else:
            books.set_budget(budget)
        return books.room()


def thin(store: Store, run: str, before: int, *, by: str, trial: bool) -> LettingGo:
    """Files of positions before ``before`` may go: recorded, and the next collection frees what only they need.

    Raises what ``letting_go`` raises. A trial records nothing.
    """
    found = letting_go(store.books, run, before, by)
    if not trial:
        _record(store, run, found.body)
    return found


def pin(store: Store, run: str, position: int, *, by: str, pinned: bool = True) -> None:
    """Files of ``position`` stay, or need not stay any more because of an earlier pin.

    Raises ``BadPosition`` if the run has no such position, or its files were let go.
    """
    if pinned:
        may_be_pinned(store.books, run, position)
    _record(store, run, e.CheckpointPinned(position, by, pinned))


def _record(store: Store, run: str, body: e.Body) -> None:
    raw = msgspec.Raw(msgspec.json.encode(body))
    store.books.post(run, Post(uuid.uuid4().hex, e.KIND_OF[type(body)], raw, SystemClock().now()))
    store.call(store.house.nudge(run))


@contextmanager
def _opened(address: Address) -> Generator[SqliteStore]:
    with SqliteStore(address.path, create=False) as books:
        yield books
