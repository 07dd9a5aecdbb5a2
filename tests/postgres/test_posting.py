"""Several processes post to one run at a time: what was seen in its inbox stays ahead of what comes later."""

from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import psycopg
import pytest

from perdure.adapters.postgres.content.fence import Fence
from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.store import PostgresStore
from perdure.adapters.postgres.writing.inbox import POSTS_OF, put_post
from perdure.values.errors import PerdureError
from tests.conformance.stores import SECONDS, opened_run, post

PATIENT: Final = Setup(idle_seconds=SECONDS, lock_seconds=SECONDS)

_WAITING: Final = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@contextmanager
def writing(store: PostgresStore, name: str, idle_ms: int = 0) -> Generator[None]:
    """A post to the run is written, and is committed at the end of the ``with`` block.

    The server takes it back after ``idle_ms``.
    """
    with store.borrowed("posting slowly") as db, db.transaction():
        assert put_post(db, "march", post(name), Fence(0, store.get), again=False)
        db.execute("SELECT set_config('idle_in_transaction_session_timeout', %s, true)", (f"{idle_ms}ms",))
        yield


def goes_on_or_waits(database: str, posted: Future[bool]) -> None:
    """The post is done, or waits for another transaction."""
    with psycopg.connect(database, autocommit=True) as db:
        while not posted.done() and db.execute(_WAITING).fetchone() == (0,):
            pass


def named(store: PostgresStore) -> list[str]:
    return [each.id for each in store.inbox("march")]


def test_a_post_that_was_begun_earlier_and_comes_later_stands_behind_what_was_seen(database: str):
    with PostgresStore(database, setup=PATIENT) as store, ThreadPoolExecutor(1) as other:
        opened_run(store)
        with writing(store, "slow"):
            posted = other.submit(store.post, "march", post("quick"))
            goes_on_or_waits(database, posted)
            seen = named(store)
        assert posted.result(SECONDS)
        after = named(store)
        assert sorted(after) == ["quick", "slow"]
        assert after[: len(seen)] == seen


def test_who_posts_to_another_run_and_who_writes_this_one_do_not_wait_for_a_post(database: str):
    with PostgresStore(database, setup=PATIENT) as store:
        writer = opened_run(store)
        opened_run(store, "other", "w2")
        with writing(store, "slow"):
            writer.append()
            assert store.post("other", post("quick"))


def test_a_process_that_stops_in_the_middle_of_a_post_holds_up_the_next_for_a_moment_only(database: str):
    with PostgresStore(database, setup=PATIENT) as store:
        opened_run(store)
        with pytest.raises(PerdureError), writing(store, "stopped", idle_ms=200):
            assert store.post("march", post("next"))
        assert named(store) == ["next"]


def test_a_burst_of_posts_is_looked_up_by_whole_names_whatever_the_server_believes_of_it(database: str):
    """Else each of them is compared with every other, and a group commit takes half a minute for ten thousand."""
    with PostgresStore(database) as store:
        opened_run(store)
    with psycopg.connect(database, autocommit=True) as db:
        db.execute("SET search_path = perdure; SET plan_cache_mode = force_generic_plan; ANALYZE inbox")
        db.execute("""
            INSERT INTO inbox (run, id, kind, body, at)
            SELECT r.number, 'p' || i, 'note.made', '{}', i FROM runs r, generate_series(1, 3000) AS i
        """)
        db.execute(f"PREPARE posts (text[], text[]) AS {POSTS_OF.text}".encode())
        plan = [str(row[0]).strip() for row in db.execute("EXPLAIN EXECUTE posts ('{}', '{}')")]
    assert "Index Cond: ((run = r.number) AND (id = u.id))" in plan, plan
