"""Blobs: bytes under their digest, stored once, read whole or in part."""

import random

import pytest

from perdure.values.errors import BadInput, BlobMissing
from perdure.values.limits import BLOB_IN_STORE_BYTES_MAX
from tests.conformance.stores import Store, blob, opened_run

NOISE = random.Random(7).randbytes(3 * BLOB_IN_STORE_BYTES_MAX + 17)
CONTENTS = {
    "empty": b"",
    "one byte": b"x",
    "small text": b"To perdure is to last. " * 3,
    "text": b"To perdure is to last through time. " * 900,
    "noise": NOISE[:70_000],
    "as large as a row may be": NOISE[:BLOB_IN_STORE_BYTES_MAX],
    "larger than a row": NOISE,
    "larger than a row, compressible": b"last " * BLOB_IN_STORE_BYTES_MAX,
}


@pytest.mark.parametrize("what", CONTENTS)
def test_a_blob_comes_back_byte_for_byte(store: Store, what: str):
    name, content = blob(CONTENTS[what])
    writer = opened_run(store)
    writer.append(writer.batch(blobs=[(name, content)]))
    assert store.has(name)
    assert store.get(name) == content


@pytest.mark.parametrize("what", CONTENTS)
def test_any_part_of_a_blob_can_be_read(store: Store, what: str):
    name, content = blob(CONTENTS[what])
    store.put(name, content)
    chance = random.Random(11)
    for _ in range(20):
        start, size = chance.randint(0, len(content) + 5), chance.randint(0, len(content) + 5)
        assert store.get(name, start, size) == content[start : start + size]
        assert store.get(name, start) == content[start:]


@pytest.mark.parametrize("what", ["small text", "larger than a row"])
def test_a_blob_that_was_put_is_there_at_once_and_after_its_event(store: Store, what: str):
    name, content = blob(CONTENTS[what])
    writer = opened_run(store)
    store.put(name, content)
    assert store.has(name)
    assert store.get(name) == content
    writer.append()
    assert store.get(name) == content


def test_the_same_blob_many_times_is_one_blob(store: Store):
    name, content = blob(CONTENTS["text"])
    march, april = opened_run(store), opened_run(store, "april")
    store.put(name, content)
    store.put(name, content)
    march.append(march.batch(blobs=[(name, content), (name, content)]))
    april.append(april.batch(blobs=[(name, content)]))
    assert store.get(name) == content


def test_a_blob_that_is_not_here_is_missing(store: Store):
    for name in ("00" * 32, "no digest", ""):
        assert not store.has(name)
        with pytest.raises(BlobMissing):
            store.get(name)


def test_a_blob_under_a_wrong_name_is_refused(store: Store):
    with pytest.raises(BadInput):
        store.put(blob(b"one")[0], b"two")
    assert not store.has(blob(b"one")[0])
