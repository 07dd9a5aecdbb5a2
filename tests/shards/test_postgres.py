"""Shards in PostgreSQL: each database knows the others, places once, and the store over them passes the suite."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from perdure.adapters.postgres.store import PostgresStore
from perdure.adapters.shards.reaching import Shard
from perdure.adapters.shards.store import ShardedStore
from perdure.driver.books import name_for
from perdure.log.port import NewRun
from perdure.log.roster import Roster
from perdure.values.errors import WrongShards
from tests.conformance import (
    test_claims,
    test_counters,
    test_fork,
    test_inbox,
    test_lease,
    test_read,
    test_watch,
)
from tests.servers.postgres import programs
from tests.servers.shared import database_of

pytestmark = pytest.mark.skipif(programs() is None, reason="no PostgreSQL")

SUITE = (test_claims, test_counters, test_fork, test_inbox, test_lease, test_read, test_watch)
KNOWN = frozenset({"a", "b"})


@pytest.fixture
def database(tmp_path: Path) -> Iterator[PostgresStore]:
    with PostgresStore(database_of(tmp_path)) as opened:
        yield opened


def sharded(folder: Path, names: str = "ab") -> ShardedStore:
    """Return a store over databases of these names."""

    def opens(name: str) -> Shard:
        store = PostgresStore(database_of(folder / name))
        return Shard(store, store.roster(), store.close)

    return ShardedStore({name: (lambda name=name: opens(name)) for name in names})


def sentences(module: ModuleType) -> list[str]:
    """Return the names of a module's tests that need nothing but a store."""
    return [
        name
        for name, test in vars(module).items()
        if name.startswith("test_") and list(inspect.signature(test).parameters) == ["store"]
    ]


def test_a_database_keeps_its_name_and_forgets_no_shard(database: PostgresStore):
    roster = database.roster()
    assert roster.look() == Roster(None, frozenset())
    assert roster.introduce("a", frozenset({"a"})) == Roster("a", frozenset({"a"}))
    assert roster.introduce("a", KNOWN).known == KNOWN
    assert roster.introduce("a", frozenset({"a"})).known == KNOWN
    assert roster.introduce("z", frozenset({"z"})) == Roster("a", KNOWN)


def test_a_placement_is_made_once_and_only_by_who_knows_all_shards(database: PostgresStore):
    roster = database.roster()
    roster.introduce("a", KNOWN)
    assert roster.placed("tenant:acme") is None
    assert roster.place("tenant:acme", "a", frozenset({"a"})) is None
    assert roster.placed("tenant:acme") is None
    assert roster.place("tenant:acme", "a", KNOWN) == "a"
    assert roster.place("tenant:acme", "b", KNOWN) == "a"
    assert database.roster().placed("tenant:acme") == "a"


def test_a_database_that_was_a_store_before_keeps_its_tenants(database: PostgresStore):
    database.create(NewRun("old", "old", "acme", 1))
    database.roster().introduce("a", KNOWN)
    assert database.roster().placed("tenant:acme") == "a"
    assert database.roster().placed("run:old") == "a"
    assert database.roster().placed("run:new") is None


def test_two_databases_are_one_store(tmp_path: Path):
    store = sharded(tmp_path)
    try:
        runs = [name_for(store, f"r{number}", f"t{number}") for number in range(8)]
        for number, run in enumerate(runs):
            assert store.create(NewRun(run, run, f"t{number}", number))
        assert {run[0] for run in runs} == KNOWN
        assert [row.run for row in store.rows()] == runs
    finally:
        store.close()
    with PostgresStore(database_of(tmp_path / "a")) as alone:
        assert {row.run for row in alone.rows()} == {run for run in runs if run[0] == "a"}
    with pytest.raises(WrongShards, match="lacks shard b"):
        sharded(tmp_path, "a")


@pytest.mark.soak
@pytest.mark.parametrize("module", SUITE, ids=lambda module: module.__name__.rpartition(".")[2])
def test_the_suite_holds_for_shards_in_postgres(module: ModuleType, tmp_path: Path):
    names = sentences(module)
    assert names
    for name in names:
        store = sharded(tmp_path / name)
        try:
            vars(module)[name](store)
        finally:
            store.close()
