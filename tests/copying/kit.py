"""Histories to be copied, and what must be true of two stores at every moment."""

import msgspec

from perdure.adapters.postgres.store import PostgresStore
from perdure.assembly.stores.copying import Copied, Relocating, Side
from perdure.assembly.stores.selecting import units_of
from perdure.driver.books import Books
from perdure.log.events import Content
from perdure.log.port import Batch, ClaimClosed, ClaimOpened, CounterMoved, Post
from tests.conformance.stores import STORES, Factory, Store, Writer, claim, forked_run, holder, opened_run
from tests.servers.shared import database_of

COUNTER = "tenant:acme:money:0"

OWNED: dict[str, Factory] = {**STORES, "postgres": lambda directory: PostgresStore(database_of(directory))}
"""The stores with an owner's rights: whoever copies also takes away what is half copied, which no worker may."""


def unheard(_what: str, _done: int, _total: int) -> None:
    """Nobody listens."""


def lived(store: Store) -> None:
    """Two runs and a fork, with claims, posts, a budget, a blob; nobody drives them."""
    march = opened_run(store)
    march.append(march.batch(4))
    store.post("march", Post("p1", "timer.fired", msgspec.Raw(b"{}"), 1))
    store.post("march", Post("p2", "timer.fired", msgspec.Raw(b"{}"), 2))
    first = claim("k1", "s1", scope="acme")
    march.append(march.batch(2, opened=[first], consumed=["p1"], counters=[CounterMoved(COUNTER, 7, 100)]))
    closed = ClaimClosed("k1", "failed", Content(2, "no"))
    march.append(
        march.batch(1, closed=[closed], opened=[claim("k2", "s1", scope="acme")], status="waiting", wake=9)
    )
    fork = forked_run(store, "march", 3, "april", "w2")
    fork.append(fork.batch(2, opened=[claim("k3", scope="lineage-of-march")]))
    may = opened_run(store, "may", "w3")
    may.append()
    for writer in (march, fork, may):
        store.release(writer.run, writer.epoch)


def copying(source: Books, target: Books, kind: type[Relocating] = Relocating) -> Relocating:
    return kind(Side(source, "SOURCE"), Side(target, "TARGET"), unheard)


def moved(source: Books, target: Books, kind: type[Relocating] = Relocating) -> list[Copied]:
    """Move all of ``source``."""
    found: list[Copied] = []
    for unit in units_of(source, (), ()):
        work = copying(source, target, kind)
        work.check(unit)
        found.append(work.move(unit))
    return found


def drivable(store: Books) -> set[str]:
    """Return the runs that somebody could drive."""
    return {row.run for row in store.rows() if row.holder is None and row.position}


def told(store: Store) -> object:
    """Return what every reader is told of the store, beside who holds what."""
    rows = sorted((row._replace(holder=None, epoch=0) for row in store.rows()), key=lambda row: row.run)
    return (
        rows,
        [
            [(each.run, each.position, each.frame, each.digest) for each in store.read(row.run)]
            for row in rows
        ],
        [[(post.id, post.kind, bytes(post.body), post.at) for post in store.inbox(row.run)] for row in rows],
        [claims.key for claims in store.claims()],
        {claims.key: claims for claims in store.claims()},
        [store.counters([COUNTER])],
    )


def ends(store: Store) -> None:
    """The runs of ``lived`` go on as they have to: epochs, claims and budgets are known."""
    (row,) = store.rows("march")
    lease = store.acquire("march", holder("w9"))
    assert lease.epoch > 1
    writer = Writer(store, "march", lease, row.position, row.head)
    again = Batch(
        "march",
        row.position,
        lease.epoch,
        writer.events(1),
        opened=[ClaimOpened("k9", "s1", "acme", "pay", 1, 1, "a")],
    )
    remembered = store.append(again).result(60)
    assert [seen.key for seen in getattr(remembered, "claims", ())] == ["k1", "k2"]
    over = again._replace(opened=(), counters=[CounterMoved(COUNTER, 94, 100)])
    assert getattr(store.append(over).result(60), "counters", ())
    assert not store.post("march", Post("p1", "timer.fired", msgspec.Raw(b"{}"), 1))
    assert [post.id for post in store.inbox("march")] == ["p2"]
    writer.append()
    store.release("march", lease.epoch)
