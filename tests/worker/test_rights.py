"""A worker whose role has a worker's rights, and no more, starts on a database that the owner has made ready."""

import asyncio
import json
import uuid

import psycopg
import pytest

import perdure
from perdure.adapters.postgres.store import PostgresStore
from perdure.assembly.store import Store
from perdure.log.placing import Summons
from perdure.values.errors import EngineMissing
from perdure.worker.engines.procrastinate import ProcrastinateEngine, make_tables
from tests.cli.inside import Inside
from tests.servers.postgres import USER
from tests.worker.kit import Deeds, rested, told, workers


@pytest.fixture
def role(dsn: str) -> str:
    """Return a role of the server to which nothing was granted, in a database where nobody may what isn't granted."""
    name = f"fleet_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(f"CREATE ROLE {name} LOGIN".encode())
        row = db.execute("SELECT current_database()").fetchone()
        assert row is not None
        db.execute(f"REVOKE ALL ON DATABASE {row[0]} FROM PUBLIC".encode())
    return name


def _migrate(terminal: Inside, dsn: str, *words: str) -> tuple[int, list[str]]:
    """Return the exit code of ``perdure store migrate``, and what it says is lacking."""
    said = terminal.type("store", "migrate", *words, "--store", dsn, "--json")
    return said.code, json.loads(said.out)["lacking"][""]


def test_a_worker_with_a_worker_s_rights_alone_drives_runs_and_collects(
    dsn: str, role: str, deeds: Deeds, terminal: Inside
):
    code, lacking = _migrate(terminal, dsn, "--worker", role)
    assert (code, lacking) == (0, [])
    assert _migrate(terminal, dsn, "--check", "--worker", role)[0] == 0
    fleet = dsn.replace(f"//{USER}@", f"//{role}@")
    with perdure.open(fleet) as store, workers(1, fleet, deeds.path) as (one,):
        store.submit("doer", told(("send", {"what": "ink"})), run="r")
        rested(store, "r")
        one.heard("run.rests", run="r", status="finished")
        assert isinstance(store.books, PostgresStore)
        assert not store.books.collect().trial
    assert len(deeds.lines("done", "ink")) == 1


def test_what_a_role_lacks_is_said_before_a_worker_fails_at_it(
    dsn: str, store: Store, role: str, terminal: Inside
):
    assert store.runs() == ()
    code, lacking = _migrate(terminal, dsn, "--check", "--worker", role)
    assert code == 4
    assert f"{role} lacks INSERT on table perdure.events" in lacking
    assert f"{role} lacks TEMPORARY on database" in lacking
    assert f"{role} lacks the engine's tables: there is no schema perdure_queue" in lacking
    assert _migrate(terminal, dsn, "--worker", role)[0] == 0
    with psycopg.connect(dsn) as db:
        db.execute(f"REVOKE INSERT ON perdure_queue.procrastinate_jobs FROM {role}".encode())
    code, lacking = _migrate(terminal, dsn, "--check")
    assert (code, lacking) == (4, [f"{role} lacks INSERT on table perdure_queue.procrastinate_jobs"])


def test_who_can_not_make_the_engine_s_tables_hears_who_has_to(
    dsn: str, store: Store, role: str, terminal: Inside
):
    assert store.runs() == ()
    assert _migrate(terminal, dsn, "--worker", role)[0] == 0
    fleet = dsn.replace(f"//{USER}@", f"//{role}@")
    make_tables(fleet)
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute(b"DROP SCHEMA perdure_queue CASCADE")
    with pytest.raises(EngineMissing) as caught:
        make_tables(fleet)
    assert "perdure store migrate --worker" in caught.value.hint


def test_a_role_that_was_given_an_empty_schema_fills_it_and_what_an_address_asks_for_is_kept(
    dsn: str, role: str
):
    with psycopg.connect(dsn, autocommit=True) as db:
        row = db.execute("SELECT current_database()").fetchone()
        assert row is not None
        db.execute(f"CREATE ROLE {role}_may_be LOGIN NOINHERIT IN ROLE {role}".encode())
        db.execute(f"GRANT CONNECT ON DATABASE {row[0]} TO {role}, {role}_may_be".encode())
        db.execute(f"CREATE SCHEMA perdure_queue AUTHORIZATION {role}".encode())
    make_tables(dsn.replace(f"//{USER}@", f"//{role}@"))

    async def counted() -> int:
        # Only as the role that its address names it may do anything; and it finds its schema all the same.
        other = dsn.replace(f"//{USER}@", f"//{role}_may_be@") + f"?options=-crole%3D{role}"
        engine = ProcrastinateEngine(other, ("doer",), concurrency=1, name="w")
        try:
            await engine.ask(Summons("r", "doer"))
            return (await engine.depth()).waiting
        finally:
            await engine.close()

    assert asyncio.run(counted()) == 1
