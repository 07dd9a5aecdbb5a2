"""What a server, a database or a role is set to that breaks a promise is overridden, or said."""

from pathlib import Path

import psycopg
import pytest

from perdure.adapters.postgres.store import PostgresStore
from perdure.adapters.postgres.watched import PostgresWatched
from perdure.values.errors import BadInput
from tests.cli.inside import Inside
from tests.servers.pooler import Pooler
from tests.servers.postgres import Server


def test_commits_are_durable_whatever_the_database_s_own_default_says(database: str):
    name = database.rpartition("/")[2]
    with psycopg.connect(database, autocommit=True) as owner:
        for default, used in (("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")):
            owner.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = {default}'.encode())
            with PostgresStore(database) as store, store.borrowed("looking") as db:
                assert db.execute("SHOW synchronous_commit").fetchone() == (used,)


def test_a_server_that_does_without_syncing_is_named_and_another_is_not(
    database: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    # Servers for tests do without, to be quick.
    with PostgresStore(database) as store:
        assert store.stats().risky == "fsync full_page_writes"
        assert PostgresWatched(store.borrowed).standing().risky == "fsync full_page_writes"
    inside = Inside(tmp_path, capfd, monkeypatch)
    for words in (("store", "stats"), ("doctor",)):
        said = inside.type(*words, "--store", database).out
        assert "fsync is off" in said
        assert "full_page_writes is off" in said
    with Server(tmp_path / "server") as sound, PostgresStore(sound.database("store")) as store:
        assert store.stats().risky == ""
        assert PostgresWatched(store.borrowed).standing().risky == ""


def test_a_pooler_that_lends_for_one_transaction_is_refused_and_one_that_lends_for_sessions_is_not(
    database: str,
):
    with (
        Pooler(database) as pooler,
        pytest.raises(BadInput, match="lends a connection for one transaction") as error,
    ):
        PostgresStore(pooler.dsn)
    assert "session" in error.value.hint
    with Pooler(database, sessions=True) as pooler, PostgresStore(pooler.dsn) as store:
        assert store.rows() == []
