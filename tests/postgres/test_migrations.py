"""The tables are made in numbered steps: once, whole, and never under the hands of who can't work with them."""

import subprocess
import sys
import textwrap
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from perdure.adapters.postgres.layout import Setup
from perdure.adapters.postgres.link.connecting import Dialer
from perdure.adapters.postgres.schema.granting import grant
from perdure.adapters.postgres.schema.migrating import Migration, check, migrate, migrations, planned, step_of
from perdure.adapters.postgres.store import PostgresStore
from perdure.log.port import Appended
from perdure.values.errors import (
    BadInput,
    Broken,
    Busy,
    MigrationChanged,
    PerdureError,
    StoreDenied,
    StoreNewer,
    StoreOlder,
)
from tests.conformance.stores import opened_run


def dialer(dsn: str) -> Dialer:
    return Dialer(dsn, Setup())


def tables(dsn: str) -> int:
    with psycopg.connect(dsn) as db:
        row = db.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'perdure'").fetchone()
        assert row is not None
        return int(row[0])


def a_step(number: int, beside: int, text: str = "CREATE TABLE later (n bigint);") -> Migration:
    return step_of(f"{number:04}_later", f"-- beside: {beside:04}\n{text}\n")


def test_an_empty_database_becomes_a_store_when_it_is_opened(empty: str):
    with PostgresStore(empty) as store:
        writer = opened_run(store)
        assert writer.append() == Appended(1)


def test_an_empty_database_is_left_alone_by_who_may_not_make_a_store(empty: str):
    with pytest.raises(BadInput, match="there is no store"):
        PostgresStore(empty, create=False)
    assert tables(empty) == 0


def test_what_else_lies_in_the_database_is_left_alone(empty: str):
    with psycopg.connect(empty) as db:
        db.execute("CREATE TABLE runs (mine text)")
        db.execute("INSERT INTO runs VALUES ('mine')")
    with PostgresStore(empty) as store:
        opened_run(store).append()
    with psycopg.connect(empty) as db:
        assert db.execute("SELECT mine FROM public.runs").fetchall() == [("mine",)]


def test_many_who_open_an_empty_database_at_once_find_one_whole_store(empty: str):
    script = textwrap.dedent("""
        import sys
        from perdure.adapters.postgres.store import PostgresStore
        from perdure.log.port import NewRun
        input()
        with PostgresStore(sys.argv[1]) as store:
            print(store.create(NewRun(sys.argv[2], "l", "t", 1)))
    """)
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", script, empty, f"run-{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(3)
    ]
    with ThreadPoolExecutor(3) as threads:
        said = list(threads.map(lambda opener: opener.communicate(b"\n", 60), openers))
    assert [out.strip() for out, _ in said] == [b"True"] * 3, said
    with PostgresStore(empty, create=False) as store:
        assert len(store.rows()) == 3


def test_a_store_of_an_older_perdure_is_not_opened_and_says_how_to_bring_it_up_to_date(database: str):
    with psycopg.connect(database) as db:
        db.execute(
            "DELETE FROM perdure.migrations WHERE number = (SELECT max(number) FROM perdure.migrations)"
        )
    with pytest.raises(StoreOlder) as caught:
        PostgresStore(database)
    assert migrations()[-1].name in str(caught.value)
    assert "perdure store migrate" in caught.value.hint


def test_steps_that_are_left_are_done_by_migrate_and_only_once(empty: str):
    steps = (*migrations(), a_step(9901, 1), a_step(9902, 1, "ALTER TABLE later ADD m bigint;"))
    assert migrate(dialer(empty), migrations()[:1]) == (migrations()[0].name,)
    assert migrate(dialer(empty), steps) == tuple(step.name for step in steps[1:])
    assert migrate(dialer(empty), steps) == ()


def test_a_step_that_fails_leaves_nothing_of_itself(empty: str):
    migrate(dialer(empty))
    before = tables(empty)
    steps = (*migrations(), a_step(9901, 1, "CREATE TABLE later (n bigint); SELECT nonsense;"))
    with pytest.raises(PerdureError, match="nonsense"):
        migrate(dialer(empty), steps)
    assert tables(empty) == before
    assert planned(dialer(empty))[1] == ()
    PostgresStore(empty, create=False).close()


def test_older_code_goes_on_beside_a_step_that_says_so(database: str):
    last = migrations()[-1].number
    migrate(dialer(database), (*migrations(), a_step(9901, last)))
    with PostgresStore(database) as store:
        assert opened_run(store).append() == Appended(1)


def test_older_code_stops_at_a_step_that_it_can_not_work_beside(database: str):
    migrate(dialer(database), (*migrations(), a_step(9901, 9901)))
    with pytest.raises(StoreNewer, match="9901_later"):
        PostgresStore(database)


def test_a_step_that_was_changed_after_it_was_done_stops_everybody(database: str):
    with psycopg.connect(database) as db:
        db.execute("UPDATE perdure.migrations SET digest = 'x' WHERE number = 1")
    with pytest.raises(MigrationChanged, match="0001"):
        PostgresStore(database)
    with pytest.raises(MigrationChanged, match="0001"):
        migrate(dialer(database))


def test_a_step_says_which_older_code_may_go_on():
    with pytest.raises(Broken, match="beside"):
        step_of("0009_bad", "CREATE TABLE bad (n bigint);")
    first = step_of("0009_good", "-- beside: 0007\n")
    assert (first.number, first.beside) == (9, 7)
    assert all(step.beside <= step.number for step in migrations())


def test_a_gap_in_what_was_done_is_older():
    one, *rest = migrations()
    with pytest.raises(StoreOlder, match=rest[0].name):
        check((one, *rest[1:]))


def test_a_role_that_may_not_make_tables_is_told_who_has_to(empty: str):
    with psycopg.connect(empty) as db:
        db.execute("DROP ROLE IF EXISTS guest")
        db.execute("CREATE ROLE guest LOGIN")
    guest = empty.replace("//perdure@", "//guest@")
    with pytest.raises(StoreDenied) as caught:
        PostgresStore(guest)
    assert "perdure store migrate" in caught.value.hint
    PostgresStore(empty).close()
    with pytest.raises(StoreDenied) as caught:
        PostgresStore(guest)
    assert "--worker" in caught.value.hint
    grant(dialer(empty), "guest")
    with PostgresStore(guest) as store:
        assert opened_run(store).append() == Appended(1)


def test_a_worker_keeps_its_rights_when_tables_are_added(database: str):
    migrate(dialer(database), (*migrations(), a_step(9901, 1)))
    with psycopg.connect(database.replace("//perdure@", "//worker@")) as db:
        assert db.execute("SELECT n FROM perdure.later").fetchall() == []


def test_rights_for_a_role_that_is_not_there_are_refused(database: str):
    with pytest.raises(BadInput) as caught:
        grant(dialer(database), "nobody at all")
    assert "CREATE ROLE" in caught.value.hint


@pytest.mark.parametrize(
    "deed",
    [
        "UPDATE perdure.events SET frame = ''",
        "DELETE FROM perdure.events",
        "DELETE FROM perdure.claims",
        "DELETE FROM perdure.runs",
        "DELETE FROM perdure.counters",
        "TRUNCATE perdure.events",
        "CREATE TABLE perdure.mine (n bigint)",
        "INSERT INTO perdure.migrations VALUES (1, '', '', 0)",
    ],
)
def test_a_worker_may_not_take_back_what_was_acknowledged(database: str, deed: str):
    with (
        psycopg.connect(database.replace("//perdure@", "//worker@")) as db,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        db.execute(deed.encode())


def test_a_database_that_can_not_hold_every_text_is_refused(empty: str):
    with psycopg.connect(empty, autocommit=True) as db:
        db.execute("CREATE DATABASE narrow ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    with pytest.raises(BadInput) as caught:
        PostgresStore(empty.rpartition("/")[0] + "/narrow")
    assert "UTF8" in caught.value.hint


def test_a_step_does_not_stand_before_the_tables_of_busy_workers(database: str):
    steps = (*migrations(), a_step(9901, 1, "ALTER TABLE runs ADD more bigint;"))
    with psycopg.connect(database) as busy:
        busy.execute("SELECT count(*) FROM perdure.runs")
        with pytest.raises(Busy):
            migrate(Dialer(database, Setup(lock_seconds=0.05)), steps)
    assert migrate(dialer(database), steps) == ("9901_later",)


def test_a_step_that_waits_for_a_table_lets_those_pass_who_came_after_it(database: str):
    steps = (*migrations(), a_step(9901, 1, "ALTER TABLE runs ADD more bigint;"))
    with ThreadPoolExecutor(1) as threads, psycopg.connect(database) as busy:
        busy.execute("SELECT count(*) FROM perdure.runs")
        migrating = threads.submit(migrate, Dialer(database, Setup(lock_seconds=600)), steps)
        with psycopg.connect(database, autocommit=True) as passing:
            until_waiting_for_runs(passing)
            passing.execute("SET lock_timeout = '60s'")
            assert passing.execute("SELECT count(*) FROM perdure.runs").fetchone() == (0,)
        busy.rollback()
        # On a machine that stands still it has given up meanwhile, and says so.
        assert migrating.exception() is None or isinstance(migrating.exception(), Busy)


def until_waiting_for_runs(db: psycopg.Connection) -> None:
    """Somebody waits for the table of runs."""
    waits = "SELECT count(*) FROM pg_locks WHERE relation = 'perdure.runs'::regclass AND NOT granted"
    end = time.monotonic() + 60
    while db.execute(waits).fetchone() == (0,):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_who_was_given_a_schema_fills_it_without_a_right_to_make_another(empty: str):
    role = f"filler_{uuid.uuid4().hex}"
    with psycopg.connect(empty) as db:
        db.execute(f"CREATE ROLE {role} LOGIN".encode())
        db.execute(f"CREATE SCHEMA perdure AUTHORIZATION {role}".encode())
    assert migrate(dialer(empty.replace("//perdure@", f"//{role}@"))) == tuple(
        step.name for step in migrations()
    )
