"""What became of a commit whose answer was lost is never told from another transaction that has its number."""

from collections.abc import Iterator
from concurrent.futures import Future

import psycopg
import pytest

from perdure.adapters.postgres.content.fence import Fence
from perdure.adapters.postgres.failover.known import Known
from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.link.connecting import Dialer
from perdure.adapters.postgres.link.rounds import Rounds
from perdure.adapters.postgres.store import PostgresStore
from perdure.adapters.postgres.writing.certainty import found_of
from perdure.adapters.postgres.writing.group import ROLLBACK, Append, Group
from perdure.log.events import CounterSeen
from perdure.log.port import Appended, CounterMoved
from tests.conformance.stores import opened_run, post


@pytest.fixture
def known() -> Known:
    return Known()


@pytest.fixture
def rounds(database: str, known: Known) -> Iterator[Rounds]:
    made = Rounds(Dialer(database, Setup(), known).connected(writes=True), 30)
    yield made
    made.close()


@pytest.fixture
def group(store: PostgresStore, rounds: Rounds, known: Known) -> Group:
    """A batch without events, judged, and about to be written."""
    batch = opened_run(store).batch(0, counters=[CounterMoved("money", 1, 10)])
    made = Group((Append(batch, (), Future()),), (), (), known, Fence(0, store.get))
    made.look(rounds)
    made.judge(rounds)
    return made


def test_a_batch_without_events_is_not_found_by_its_number_alone(database: str, rounds: Rounds, group: Group):
    rounds.ask(ROLLBACK)
    rounds.go()
    assert found_of(rounds, group) is False
    # As after a crash of the server, which forgets the numbers of what it hadn't written.
    with psycopg.connect(database) as other:
        row = other.execute("SELECT pg_current_xact_id()::text::bigint").fetchone()
    assert row is not None
    group.transaction = row[0]
    assert found_of(rounds, group) is None


def test_a_batch_without_events_is_found_where_it_was_written(
    store: PostgresStore, rounds: Rounds, group: Group
):
    group.write(rounds)
    assert found_of(rounds, group) is True
    assert store.counters(["money"]) == [CounterSeen("money", 1)]


def test_a_server_that_tells_all_that_it_does_is_not_taken_for_one_that_lacks_its_standby(database: str):
    talkative = f"{database}?options=-c%20client_min_messages%3Ddebug5"
    with PostgresStore(talkative) as store:
        assert opened_run(store).append() == Appended(1)
        assert store.post("march", post("p1"))
