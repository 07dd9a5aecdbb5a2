"""Who is seen, judged and proved to have ended, and which runs are called: in real tables, a million of them if asked for."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

import perdure
from perdure.adapters.holders import Fate
from perdure.adapters.postgres.fleet.placements import CALLS
from perdure.adapters.postgres.fleet.processes import recorded
from perdure.assembly.stores.fleet import Base, bases_of
from perdure.log.placing import ProcessBegun
from perdure.log.port import Holder
from tests.servers.postgres import Server

Plan = dict[str, Any]

SEARCH = "-c search_path=perdure"
PARK = """
INSERT INTO runs (name, lineage, tenant, forked_at, created, position, head, status, wake)
SELECT 'parked-' || n, 'parked-' || n, 'default', 0, 0, 9, '', CASE WHEN n %% 2 = 0 THEN 'waiting' ELSE 'running' END, n
FROM generate_series(1, %s) n
"""
PLACE = """
INSERT INTO placements (run, agent, wake) SELECT number, 'doer', CASE WHEN number % 3 = 0 THEN NULL ELSE 4e18 END FROM runs
ON CONFLICT DO NOTHING
"""

POSTS = "INSERT INTO inbox (run, id, at) SELECT number, 'start', 0 FROM runs"
"""of which each was taken in long ago"""


@pytest.fixture(scope="module")
def shared(server: Server) -> str:
    dsn = server.database("registry")
    perdure.open(dsn).close()
    return dsn


@pytest.fixture
def base(shared: str) -> Iterator[Base]:
    (found,) = bases_of(shared)
    with psycopg.connect(shared, autocommit=True, options=SEARCH) as db:
        db.execute("TRUNCATE processes, placements")
    yield found
    found.close()


def process(host: str, pid: int) -> ProcessBegun:
    return ProcessBegun(host, pid, "7", host, "", "0", "procrastinate", {"doer": "1"}, 4)


def aged(dsn: str, seconds: float) -> None:
    with psycopg.connect(dsn, autocommit=True, options=SEARCH) as db:
        db.execute("UPDATE processes SET seen = seen - make_interval(secs => %s)", (seconds,))


def test_who_is_not_seen_is_judged_and_can_not_go_on(shared: str, base: Base):
    old, new = process("a", 1), process("b", 2)
    base.registry.enter(old)
    assert base.registry.judge(new.name, 5.0) == []
    aged(shared, 6.0)
    base.registry.enter(new)
    assert base.registry.judge(new.name, 5.0) == [old.name]
    assert base.registry.judge(new.name, 5.0) == []
    assert not base.registry.renew(old.name, driving=1, draining=False)
    base.registry.enter(old)
    assert not base.registry.renew(old.name, driving=1, draining=False)
    assert base.registry.renew(new.name, driving=1, draining=False)
    assert {each.name: each.lapsed for each in base.registry.processes()} == {old.name: True, new.name: False}
    assert [each.name for each in base.registry.processes(host=new.host)] == [new.name]
    assert [each.name for each in base.registry.processes(host=new.host, ended=True)] == [new.name]


def test_an_end_is_recorded_once_and_kept_as_a_proof(shared: str, base: Base):
    gone = process("a/b/c", 1)
    holder = Holder("a/b/c", 1, "7", "any")
    base.registry.enter(gone)
    with psycopg.connect(shared, autocommit=True, options=SEARCH) as db:
        assert recorded(db, holder) is Fate.UNKNOWN
        assert base.registry.prove(gone.name, "fenced", "Ada")
        assert not base.registry.prove(gone.name, "seen", "Bob")
        assert recorded(db, holder) is Fate.DEAD
        assert recorded(db, Holder("a/b/c", 1, "8", "any")) is Fate.UNKNOWN
    (seen,) = base.registry.processes(ended=True)
    assert (seen.proof, seen.proved_by) == ("fenced", "Ada")
    assert not base.registry.renew(gone.name, driving=0, draining=False)


def test_a_call_is_a_mark_that_stays_until_the_run_rests(shared: str, base: Base):
    with perdure.open(shared) as store:
        run = store.submit("doer", "x").name
    called = base.placements.called
    assert [each.run for each in called(["doer"], 1, 10)] == [run]
    assert called(["other"], 1, 10) == []
    assert base.placements.begin(run) == 1
    assert base.placements.begin(run, counts=False) == 1
    assert [each.run for each in called(["doer"], 1, 10)] == [run]
    base.placements.leave(run, later=50, waits="ill")
    assert called(["doer"], 49, 10) == []
    assert [each.waits for each in base.placements.stuck()] == ["ill"]
    base.placements.rest(run, wake=70)
    # Its message waits still.
    assert [each.run for each in called(["doer"], 60, 10)] == [run]
    base.placements.park(run, "no more")
    assert called(["doer"], 90, 10) == []
    assert not base.placements.call(run)
    base.placements.park(run, "")
    assert [each.run for each in called(["doer"], 1, 10)] == [run]


def test_who_says_late_how_a_run_came_to_rest_is_not_heard(shared: str, base: Base):
    with perdure.open(shared) as store:
        run = store.submit("doer", "x").name
    with psycopg.connect(shared, autocommit=True, options=SEARCH) as db:
        db.execute("UPDATE inbox SET kind = NULL")
    base.placements.begin(run, turn="early")
    base.placements.begin(run, turn="later")
    base.placements.rest(run, wake=None, turn="early")
    assert [each.run for each in base.placements.called(["doer"], 1, 10)] == [run]
    base.placements.rest(run, wake=None, turn="later")
    assert base.placements.called(["doer"], 1, 10) == []


@pytest.mark.parametrize("gone", ["ended", "lapsed"])
def test_a_run_whose_process_is_gone_is_called_whatever_its_placement_says(
    shared: str, base: Base, gone: str
):
    me = process("a", 1)
    base.registry.enter(me)
    with perdure.open(shared) as store:
        run = store.submit("doer", "x").name
        store.books.acquire(run, Holder("a", 1, "7", "any"))
    with psycopg.connect(shared, autocommit=True, options=SEARCH) as db:
        db.execute("UPDATE inbox SET kind = NULL")
        base.placements.rest(run, wake=None)
        assert base.placements.called(["doer"], 1, 10) == []
        db.execute(f"UPDATE processes SET {gone} = now()".encode())
    assert [each.run for each in base.placements.called(["doer"], 1, 10)] == [run]


def test_posts_that_nobody_takes_in_hide_none_behind_them(shared: str, base: Base):
    with perdure.open(shared) as store:
        deaf = [store.submit("other", "x").name for _ in range(30)]
        run = store.submit("doer", "x").name
    base.placements.rest(run, wake=None)
    found = [each.run for _ in range(8) for each in base.placements.called(["doer"], 1, 1)]
    assert run in found
    assert not set(deaf) & set(found)


def plans(dsn: str) -> Iterator[Plan]:
    """Yield the plans as workers have them: made once, for any values."""
    places = {"%(agents)s": "$1", "%(now)s": "$2", "%(limit)s": "$3", "%(me)s": "$4", "%(after)s": "$5"}
    with psycopg.connect(dsn, autocommit=True, options=SEARCH) as db:
        db.execute(
            "SET plan_cache_mode = force_generic_plan; SET jit = off; SET max_parallel_workers_per_gather = 0"
        )
        for number, each in enumerate(CALLS):
            statement = each
            for spoken, meant in places.items():
                statement = statement.replace(spoken, meant)
            db.execute(f"PREPARE s{number} (text[], bigint, bigint, text, bigint) AS {statement}".encode())
            asked = f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE s{number}(ARRAY['doer'], 10, 200, 'x', 0)"
            row = db.execute(asked.encode()).fetchone()
            assert row is not None
            yield row[0][0]["Plan"]


@pytest.mark.parametrize(
    "runs", [10_000, pytest.param(1_000_000, marks=[pytest.mark.soak, pytest.mark.timeout(600)])]
)
def test_a_sweep_reads_small_indexes_however_many_runs_rest(server: Server, runs: int):
    dsn = filled(server, f"parked{runs}", runs)
    for plan in plans(dsn):
        assert not scanned(plan) & {"runs", "placements", "inbox"}
        assert read(plan) < 100


def test_a_scan_of_all_runs_would_be_seen(server: Server):
    """The broken build: without its index a sweep reads every placement."""
    dsn = filled(server, "unindexed", 5000)
    with psycopg.connect(dsn, autocommit=True, options=SEARCH) as db:
        db.execute("DROP INDEX placements_due")
    found = list(plans(dsn))
    assert max(map(read, found)) > 1000
    assert any("placements" in scanned(plan) for plan in found)


def filled(server: Server, name: str, runs: int) -> str:
    """Return a store in which so many runs rest, each with a timer far away or none."""
    dsn = server.database(name)
    perdure.open(dsn).close()
    with psycopg.connect(dsn, autocommit=True, options=SEARCH) as db:
        for statement, words in ((PARK, (runs,)), (PLACE, ()), (POSTS, ())):
            db.execute(statement.encode(), words or None)
        db.execute("VACUUM ANALYZE runs, placements, inbox, processes, writers")
    return dsn


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


def scanned(plan: Plan) -> set[str]:
    """Return the tables that a plan reads from end to end."""
    return {each["Relation Name"] for each in nodes(plan) if each["Node Type"] == "Seq Scan"}


def read(plan: Plan) -> int:
    """Return how many rows a plan read, those that it threw away included."""
    counted = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Join Filter")
    return int(
        sum(sum(each.get(name, 0) for name in counted) * each.get("Actual Loops", 1) for each in nodes(plan))
    )
