"""Whoever waits hears of other processes' changes, also when the notice of them is lost."""

from concurrent.futures import ThreadPoolExecutor

from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.link.connecting import Dialer
from perdure.adapters.postgres.link.watching import Watch
from perdure.adapters.postgres.store import PostgresStore
from tests.conformance.stores import SECONDS, opened_run

NEVER = 10_000.0
"""seconds between two looks, where a test wants none"""


def mark_of(store: PostgresStore) -> int:
    return store.watch(-1, 0)


def waiting(database: str, *, poll_seconds: float, hears: bool) -> Watch:
    """Return a watch that has looked for the first time and waits."""
    watch = Watch(Dialer(database, Setup(poll_seconds=poll_seconds)), hears=hears)
    watch.begin()
    return watch


def heard(watch: Watch, after: int, timeout: float) -> bool:
    return watch.wait(after, timeout, lambda: after) > after


def test_a_notice_wakes_who_waits_without_a_look(database: str, store: PostgresStore):
    writer = opened_run(store)
    watch = waiting(database, poll_seconds=NEVER, hears=True)
    assert heard(watch, -1, SECONDS), "it has begun to listen"
    before = mark_of(store)
    writer.append()
    assert heard(watch, before, SECONDS)


def test_a_lost_notice_is_made_up_for_by_a_look(database: str, store: PostgresStore):
    writer = opened_run(store)
    watch = waiting(database, poll_seconds=0.05, hears=False)
    assert heard(watch, -1, SECONDS)
    before = mark_of(store)
    writer.append()
    assert heard(watch, before, SECONDS)
    watch.close()


def test_without_looks_a_lost_notice_is_missed(database: str, store: PostgresStore):
    writer = opened_run(store)
    watch = waiting(database, poll_seconds=NEVER, hears=False)
    assert heard(watch, -1, SECONDS)
    before = mark_of(store)
    writer.append()
    assert not heard(watch, before, 0.5)
    watch.note(before + 1)


def test_a_watch_whose_connection_was_ended_listens_again(database: str, store: PostgresStore):
    writer = opened_run(store)
    with PostgresStore(database) as other:
        assert other.watch(mark_of(other), 0.01) >= 0
        with store.borrowed("ending connections") as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND query LIKE 'LISTEN%' OR query LIKE '%changes%'"
                " AND pid <> pg_backend_pid()"
            )
        before = mark_of(store)
        writer.append()
        assert other.watch(before, SECONDS) > before


def test_whoever_waits_when_the_store_is_closed_waits_no_longer(database: str):
    store = PostgresStore(database)
    mark = mark_of(store)
    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(store.watch, mark, 1000)
        while not waits.running():
            pass
        store.close()
        assert waits.result(SECONDS) == mark
