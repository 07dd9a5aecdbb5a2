"""Blobs that wait for company: what was refused is not here, and what was taken in is."""

import os

import psycopg
import pytest

from perdure.adapters.postgres.store import PostgresStore
from perdure.adapters.postgres.writing import backlog
from perdure.values.digest import digest
from perdure.values.errors import Busy


def test_a_blob_that_was_refused_for_want_of_room_is_not_taken_for_there_when_it_is_put_again(
    store: PostgresStore, database: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backlog, "LAZY_BYTES_MAX", 2000)
    monkeypatch.setattr(backlog, "LAZY_HARD", 2)
    with psycopg.connect(database) as other:
        # Reads go on; who writes waits.
        other.execute("LOCK TABLE perdure.blobs IN EXCLUSIVE MODE")
        while True:
            content = os.urandom(1000)
            name = digest(content)
            try:
                store.put(name, content)
            except Busy:
                break
        assert not store.has(name)
    store.flush()
    store.put(name, content)
    store.flush()
    assert store.get(name) == content
    with psycopg.connect(database) as other:
        found = other.execute("SELECT size FROM perdure.blobs WHERE digest = %s", (bytes.fromhex(name),))
        assert found.fetchone() == (1000,)
