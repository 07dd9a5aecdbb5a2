"""Who may vouch that a failover lost nothing: whoever committed moments before the old server was gone."""

from collections.abc import Iterator

import psycopg
import pytest

from perdure.adapters.postgres.failover.identity import look
from perdure.adapters.postgres.failover.known import Known
from perdure.adapters.postgres.store import PostgresStore
from perdure.log.envelope import GENESIS, Event, seal
from perdure.log.events import Content, MessageReceived
from perdure.log.port import Batch, ClaimOpened


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def batch() -> Batch:
    stored = seal(Event("run", 1, 1, 1, 0, MessageReceived("m", "ann", Content(2, "hi"))), GENESIS)
    return Batch("run", 0, 1, [stored])


@pytest.fixture
def db(dsn: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with PostgresStore(dsn):
        pass
    with psycopg.connect(dsn, autocommit=True, options="-c search_path=perdure") as session:
        yield session


def test_one_who_committed_just_before_vouches_however_long_the_promotion_took(
    db: psycopg.Connection[tuple[object, ...]],
):
    clock = Watch()
    known = Known(process="p", now=clock)
    known.acknowledged([batch()])
    clock.now += 4
    known.broke()
    clock.now += 3600
    assert known.vouches(db)


def test_one_who_had_slept_before_the_server_was_gone_does_not(db: psycopg.Connection[tuple[object, ...]]):
    clock = Watch()
    known = Known(process="p", now=clock)
    known.acknowledged([batch()])
    clock.now += 60
    assert not known.vouches(db)
    known.broke()
    assert not known.vouches(db)


def test_one_who_saw_nothing_durable_does_not(db: psycopg.Connection[tuple[object, ...]]):
    assert not Known(process="p").vouches(db)


def test_a_sign_of_life_that_the_new_server_lacks_is_no_voucher(db: psycopg.Connection[tuple[object, ...]]):
    known = Known(process="p")
    known.beat(db)
    known.beat(db)
    assert known.vouches(db)
    db.execute("UPDATE perdure.beats SET number = 1")
    assert not known.vouches(db)
    db.execute("DELETE FROM perdure.beats")
    assert not known.vouches(db)


def test_what_was_acknowledged_and_is_not_here_is_named(db: psycopg.Connection[tuple[object, ...]]):
    known = Known(process="p")
    known.acknowledged([batch()])
    gone = known.gone(db)
    assert [(head.run, head.position) for head in gone.heads] == [("run", 1)]
    known.forget(gone)
    assert not known.gone(db)


def test_who_comes_late_with_what_was_said_already_stops_nobody(
    db: psycopg.Connection[tuple[object, ...]], dsn: str
):
    first, late, knowing = (Known(process=name) for name in ("first", "late", "knowing"))
    first.acknowledged([batch()])
    late.acknowledged([batch()])
    claim = ClaimOpened("k" * 40, "s" * 40, "lineage:run", "pay", 1, 1, "a" * 40)
    knowing.acknowledged([batch()._replace(opened=[claim])])
    look(db, first)
    with PostgresStore(dsn) as store:
        assert "run run had been acknowledged up to position 1" in (store.suspended() or "")
        store.release_store("ann")
        look(db, late)
        assert store.suspended() is None
        look(db, knowing)
        assert "pay (key kkkkkkkkkkkk)" in (store.suspended() or "")
        assert store.takeovers.release("ann", ()).put_back == 1
        assert [claim.outcome for claim in store.claims()] == [None]
