"""A store that can only be read is read, and says so to whoever writes."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.adapters.sqlite.store import SqliteStore
from perdure.log.port import Batch, NewRun
from perdure.values.errors import StoreReadOnly
from tests.conformance.stores import SECONDS, blob, holder, opened_run, post

NOBODY = 65534


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that other users can reach."""
    directory = Path(tempfile.mkdtemp(prefix="perdure-readonly-"))
    directory.chmod(0o755)
    yield directory / "store"
    for path in (directory / "store").rglob("*"):
        path.chmod(0o755)
    (directory / "store").chmod(0o755)
    shutil.rmtree(directory)


@pytest.fixture
def nobody() -> Iterator[None]:
    """For root, permissions are no obstacle: be someone else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


def write_protect(place: Path) -> None:
    for path in place.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    place.chmod(0o555)


@pytest.fixture
def protected(shared: Path, nobody: None) -> Iterator[SqliteStore]:
    if os.getuid() == 0:
        os.seteuid(0)
    with SqliteStore(shared) as store:
        writer = opened_run(store)
        writer.append(writer.batch(3, blobs=[blob(b"content" * 99)]))
    write_protect(shared)
    if os.getuid() == 0:
        os.seteuid(NOBODY)
    with SqliteStore(shared) as store:
        yield store


def test_what_is_there_is_read(protected: SqliteStore):
    assert len(protected.read("march")) == 3
    assert protected.rows("march")[0].position == 3
    assert protected.get(blob(b"content" * 99)[0]) == b"content" * 99
    assert protected.stats().events == 3
    assert protected.suspended() is None


def test_whoever_writes_is_told(protected: SqliteStore):
    answer = protected.append(Batch("march", 3, 1, ()))
    assert isinstance(answer.exception(SECONDS), StoreReadOnly)
    with pytest.raises(StoreReadOnly):
        protected.post("march", post("p1"))
    with pytest.raises(StoreReadOnly):
        protected.create(NewRun("april", "april", "acme", 1))
    with pytest.raises(StoreReadOnly):
        protected.acquire("march", holder("w2"), take_over=True)
    with pytest.raises(StoreReadOnly):
        protected.put(*blob(b"more"))
    protected.save("march", 3, b"a cache that can't be kept", [])


def test_a_store_that_was_killed_and_then_protected_says_what_to_do(shared: Path, nobody: None):
    if os.getuid() == 0:
        os.seteuid(0)
    with SqliteStore(shared) as store:
        opened_run(store).append()
        left = shared.with_name("left")
        left.mkdir()
        for name in ("log.db", "log.db-wal"):
            shutil.copy(shared / name, left / name)
    write_protect(left)
    if os.getuid() == 0:
        os.seteuid(NOBODY)
    with pytest.raises(StoreReadOnly) as told:
        SqliteStore(left)
    assert "write-ahead log" in str(told.value)
    if os.getuid() == 0:
        os.seteuid(0)
    left.chmod(stat.S_IRWXU)
    for path in left.iterdir():
        path.chmod(stat.S_IRWXU)
    with SqliteStore(left) as store:
        assert len(store.read("march")) == 1
