"""A synchronous standby: writers under one address with both hosts go on by themselves, and nothing is lost.

The broken build takes the server's warning ("might not have been replicated") for an acknowledgement.
"""

import contextlib
import threading
from collections.abc import Callable
from typing import ClassVar, Final, NamedTuple

import psycopg

from benchmarks.scale.failing.twins import DATABASE, WAIT_SECONDS, Twins, until
from perdure.adapters.holders import this_holder
from perdure.adapters.postgres.store import PostgresStore
from perdure.adapters.postgres.writing.group import Group
from perdure.adapters.postgres.writing.writer import Writer
from perdure.log.envelope import GENESIS, Event, seal
from perdure.log.events import Content, MessageReceived
from perdure.log.port import Appended, Batch, ClaimOpened, NewRun
from perdure.values.errors import Unreplicated

WRITERS: Final = 4

_WAITS: Final = (
    "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'perdure'"
)


class Scribe:
    """One run's writer, which knows what it was told is durable."""

    def __init__(self, store: PostgresStore, run: str) -> None:
        """Begin ``run``."""
        self.store: PostgresStore = store
        self.run: str = run
        store.create(NewRun(run, run, "default", 1))
        self.epoch: int = store.acquire(run, this_holder(run)).epoch
        self.position: int = 0
        self.head: bytes = GENESIS
        self.acknowledged: list[tuple[int, bytes]] = []

    def batch(self, *, claims: bool = True) -> Batch:
        """Return the next batch: an event and a claim."""
        at = self.position + 1
        body = MessageReceived(f"m{at}", "ann", Content(2, "hi"))
        stored = seal(Event(self.run, at, at, self.epoch, at - 1, body), self.head)
        name = f"{self.run}-{at:09d}"
        claim = ClaimOpened(name, name, f"lineage:{self.run}", "pay", 1, at, name)
        return Batch(self.run, self.position, self.epoch, [stored], opened=[claim] if claims else [])

    def write(self) -> None:
        """One batch more is durable, by the store's word."""
        batch = self.batch()
        answer = self.store.append(batch).result(WAIT_SECONDS * 1.5)
        if isinstance(answer, Appended):
            self.position, self.head = answer.position, batch.events[-1].digest
            self.acknowledged.append((self.position, self.head))

    def missing(self, store: PostgresStore) -> int:
        """Return how many of its acknowledged events ``store`` doesn't hold."""
        there = {(each.position, each.digest) for each in store.read(self.run, 0, 10**6)}
        return sum(each not in there for each in self.acknowledged)


class Kept(NamedTuple):
    """How writers with a synchronous standby came through a failover."""

    acknowledged: int
    after: int
    """of these, after the failover"""
    lost: int
    duplicates: int
    stopped: int
    """writers that did not go on by themselves"""
    lossy: int
    """failovers after which somebody was asked, or would have to be"""
    failovers: int


def kept(twins: Twins) -> Kept:
    """Let writers go on through a failover to a synchronous standby."""
    twins.synchronous()
    stop, failed = threading.Event(), list[BaseException]()
    store = PostgresStore(twins.dsn)
    with contextlib.closing(store):
        store.takeovers.declare(synchronous=True)
        scribes = [Scribe(store, f"run-{number}") for number in range(WRITERS)]

        def go(scribe: Scribe) -> None:
            try:
                while not stop.is_set():
                    scribe.write()
            except BaseException as error:  # noqa: BLE001 - counted
                failed.append(error)

        threads = [threading.Thread(target=go, args=(scribe,)) for scribe in scribes]
        for thread in threads:
            thread.start()
        until(lambda: all(len(scribe.acknowledged) > 20 for scribe in scribes))
        twins.fail_over(attach=True)
        before = [len(scribe.acknowledged) for scribe in scribes]
        with contextlib.suppress(TimeoutError):
            until(lambda: all(len(s.acknowledged) > b + 20 for s, b in zip(scribes, before, strict=True)))
        stop.set()
        for thread in threads:
            thread.join()
        took = store.takeovers.failovers()
        told_all = sum(len(scribe.acknowledged) for scribe in scribes)
        keys = [claim.key for scribe in scribes for claim in store.claims(scope=f"lineage:{scribe.run}")]
        return Kept(
            told_all,
            told_all - sum(before),
            sum(scribe.missing(store) for scribe in scribes),
            len(keys) - len(set(keys)),
            len(failed),
            sum(each.lossy for each in took),
            len(took),
        )


class Believing(Writer):
    """Takes a commit that may not have been replicated for one that was."""

    def _tried(self, group: Group, deadline: float) -> None:
        with contextlib.suppress(Unreplicated):
            super()._tried(group, deadline)


class BelievingStore(PostgresStore):
    """A broken build: what the server did is done, whatever it warns of."""

    WRITER: ClassVar[type[Writer]] = Believing


class Interrupted(NamedTuple):
    """What became of a commit whose wait for the standby was interrupted."""

    early: bool
    """whether it was acknowledged before the standby had it"""
    lost: int


def interrupted(twins: Twins, run: str, how: str, *, broken: bool = False) -> Interrupted:
    """Interrupt a commit in its wait for the standby by ``how``, twice, and let the standby hear of it again.

    A ``broken`` build acknowledges it; then the primary dies before the standby hears of anything.
    """
    kind = BelievingStore if broken else PostgresStore
    with contextlib.closing(kind(twins.dsn)) as store:
        scribe = Scribe(store, run)
        scribe.write()
        twins.cut_off()
        batch = scribe.batch()
        future = store.append(batch)
        with psycopg.connect(twins.primary.dsn(), autocommit=True) as db:
            for _ in range(2):
                _interrupt(db, how, future.done)
        if broken:
            until(future.done)
        early = future.done()
        if broken:
            twins.fail_over()
        else:
            twins.join_again()
            future.result(WAIT_SECONDS)
        if future.done():
            scribe.acknowledged.append((scribe.position + 1, batch.events[-1].digest))
        with contextlib.closing(PostgresStore(twins.standby.dsn(DATABASE))) as there:
            if not broken:
                until(lambda: not scribe.missing(there))
            return Interrupted(early, scribe.missing(there))


def _interrupt(db: "psycopg.Connection[tuple[object, ...]]", how: str, done: Callable[[], bool]) -> None:
    """Whoever waits for the standby is interrupted, unless nobody waits any more."""
    found: list[object] = []

    def waits() -> bool:
        found[:] = [row[0] for row in db.execute(_WAITS.encode())]
        return bool(found) or done()

    until(waits)
    if found:
        db.execute(f"SELECT {how}(%s)".encode(), (found[0],))
