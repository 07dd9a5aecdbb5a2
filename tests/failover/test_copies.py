"""A copy of a store knows that it is one, however it was made."""

import os
import subprocess
from pathlib import Path

import psycopg
import pytest

from benchmarks.scale.failing.kept import Scribe
from perdure.adapters.postgres.store import PostgresStore
from perdure.values.errors import Suspended
from tests.servers.postgres import UNSYNCED, Server, programs


def made(dsn: str) -> None:
    with PostgresStore(dsn) as store:
        scribe = Scribe(store, "run")
        scribe.write()
        store.release("run", scribe.epoch)


def is_suspended(dsn: str) -> str:
    with PostgresStore(dsn) as copy:
        why = copy.suspended() or ""
        with pytest.raises(Suspended):
            Scribe(copy, "other")
        assert copy.rows("run")[0].position == 1
    return why


def restored(server: Server, dsn: str, name: str) -> str:
    """Return the address of a database that a dump was played into."""
    tools = programs()
    assert tools is not None
    target = server.database(name)
    dump = subprocess.run([tools / "pg_dump", "--dbname", dsn], check=True, capture_output=True).stdout
    words = ["--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", target]
    subprocess.run([tools / "psql", *words], input=dump, check=True, capture_output=True)
    return target


def test_a_restored_dump_opens_with_its_runs_suspended_until_somebody_answers(server: Server, dsn: str):
    made(dsn)
    copy = restored(server, dsn, "dumped")
    assert "dump" in is_suspended(copy)
    with PostgresStore(copy) as store:
        store.release_store("ann")
        assert store.suspended() is None
        Scribe(store, "other").write()
        (failover,) = store.takeovers.failovers()
        assert (failover.by, failover.lossy) == ("ann", True)
    with PostgresStore(dsn) as original:
        assert original.suspended() is None


def test_a_dump_restored_over_the_same_database_is_noticed(server: Server, dsn: str):
    made(dsn)
    copy = restored(server, dsn, "over")
    tools = programs()
    assert tools is not None
    dump = subprocess.run([tools / "pg_dump", "--dbname", copy], check=True, capture_output=True).stdout
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("DROP SCHEMA perdure CASCADE")
    subprocess.run([tools / "psql", "--quiet", "--dbname", dsn], input=dump, check=True, capture_output=True)
    assert "dump" in is_suspended(dsn)


def test_a_database_copied_within_its_cluster_is_noticed(server: Server, dsn: str):
    made(dsn)
    with psycopg.connect(server.dsn(), autocommit=True) as db:
        source = dsn.rpartition("/")[2]
        db.execute(f'CREATE DATABASE "twin" TEMPLATE "{source}"'.encode())
    assert "another database" in is_suspended(server.dsn("twin"))


def test_a_base_backup_that_is_started_by_itself_is_noticed(tmp_path: Path):
    backup, original = Server(tmp_path / "backup", UNSYNCED), Server(tmp_path / "original", UNSYNCED)
    original.make()
    # Not in the same second as the backup: servers tell no more of it.
    os.utime(original.directory / "PG_VERSION", (1e9, 1e9))
    with original:
        made(original.database("store"))
        backup.copy_of(original, "backup")
    (backup.directory / "standby.signal").unlink()
    with backup:
        assert "base backup" in is_suspended(backup.dsn("store"))


def test_a_server_that_merely_crashed_is_the_same_server(tmp_path: Path):
    with Server(tmp_path / "server") as server:
        dsn = server.database("store")
        with PostgresStore(dsn) as store:
            scribe = Scribe(store, "run")
            scribe.write()
            server.kill()
            server.start()
            scribe.write()
            assert store.suspended() is None
            assert store.takeovers.failovers() == []
        with PostgresStore(dsn) as fresh:
            assert fresh.suspended() is None
