"""Large blobs of PostgreSQL pass the conformance suite of all stores, over each kind of object store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.adapters.postgres.store import PostgresStore
from perdure.log.port import ObjectStore
from tests.conformance import test_blobs as suite
from tests.conformance.stores import blob
from tests.objects.conftest import KINDS
from tests.objects.parts import forms
from tests.servers.shared import database_of

# What is asked of Google is shown by the suite of object stores.
pytestmark = pytest.mark.parametrize("objects", [kind for kind in KINDS if kind != "google"], indirect=True)

LARGE = ("larger than a row", "larger than a row, compressible")


@pytest.fixture
def store(objects: ObjectStore, tmp_path: Path) -> Iterator[PostgresStore]:
    dsn = database_of(tmp_path)
    with PostgresStore(dsn, objects=objects) as opened:
        yield opened
    # Else these tests would have said nothing about object stores.
    assert 2 in forms(dsn).values()
    assert 3 not in forms(dsn).values()


@pytest.mark.parametrize("what", LARGE)
def test_a_blob_comes_back_byte_for_byte(store: PostgresStore, what: str):
    suite.test_a_blob_comes_back_byte_for_byte(store, what)
    assert store.has(blob(suite.CONTENTS[what])[0])


def test_any_part_of_a_blob_can_be_read(store: PostgresStore):
    for what in LARGE:
        suite.test_any_part_of_a_blob_can_be_read(store, what)
        assert store.has(blob(suite.CONTENTS[what])[0])


def test_a_blob_that_was_put_is_there_at_once_and_after_its_event(store: PostgresStore):
    suite.test_a_blob_that_was_put_is_there_at_once_and_after_its_event(store, LARGE[0])
    assert store.has(blob(suite.CONTENTS[LARGE[0]])[0])
