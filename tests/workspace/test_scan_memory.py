"""What a scanner remembers may be lost, wrong or of another store: it costs time and never truth."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.adapters.memory import MemoryStore
from perdure.adapters.workspace import Directory
from perdure.adapters.workspace import directory as directory_module
from perdure.adapters.workspace import sheets as sheets_module
from perdure.adapters.workspace.content import Kept, keep_file
from perdure.adapters.workspace.keeping import Keeper
from perdure.checkpoint.tree import objects
from tests.workspace.scan_truth import recorded, truth, wait_until_settled
from tests.workspace.test_scan_changes import build


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    build(made)
    return made


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list to which the size of each file that is read is added."""
    sizes: list[int] = []

    def keep(fd: int, keeper: Keeper) -> Kept:
        sizes.append(os.fstat(fd).st_size)
        return keep_file(fd, keeper)

    monkeypatch.setattr(sheets_module, "keep_file", keep)
    monkeypatch.setattr(directory_module, "CACHE_WORTH_BYTES", 1)
    return sizes


class Forgetful(MemoryStore):
    """A store from which what no event names can be taken away, as its collector does."""

    def drop(self, *names: str) -> None:
        for name in names:
            del self._shelf.blobs[name]


def test_nothing_is_read_twice_while_nothing_changes(root: Path, read: list[int]) -> None:
    directory = Directory(root, MemoryStore())
    wait_until_settled(root)
    known = directory.record("", ())
    assert len(read) == 8
    read.clear()
    (root / "a").write_bytes(b"changed")
    directory.record(known.tree, ())
    assert read == [7]


def test_what_is_fresh_is_read_once_more_and_then_not_again(root: Path, read: list[int]) -> None:
    directory = Directory(root, MemoryStore())
    directory.record("", ())
    wait_until_settled(root)
    tree = directory.record("", ()).tree
    read.clear()
    assert directory.record(tree, ()).tree == tree
    assert read == []


def test_after_a_restart_the_cache_saves_the_reading(root: Path, read: list[int], tmp_path: Path) -> None:
    store, cache = MemoryStore(), tmp_path / "cache" / "marks"
    wait_until_settled(root)
    known = Directory(root, store, cache=cache).record("", ())
    (root / "a").write_bytes(b"while nobody looked")
    (root / "src" / "new").write_bytes(b"new")
    read.clear()
    found = Directory(root, store, cache=cache).record(known.tree, ())
    assert sorted(read) == [3, 19]
    assert {each.path for each in found.changes} == {"a", "src/new"}
    assert recorded(store.get, found.tree) == truth(root)


def _cut(cache: Path) -> None:
    cache.write_bytes(cache.read_bytes()[:-5])


def _turn_a_bit(cache: Path) -> None:
    stored = bytearray(cache.read_bytes())
    stored[len(stored) // 2] ^= 1
    cache.write_bytes(stored)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": _cut,
    "a bit turned": _turn_a_bit,
    "empty": lambda cache: cache.write_bytes(b""),
    "deleted": lambda cache: cache.unlink(),
    "a directory": lambda cache: (cache.unlink(), cache.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_cache_is_none(root: Path, read: list[int], tmp_path: Path, damage: str) -> None:
    store, cache = MemoryStore(), tmp_path / "marks"
    wait_until_settled(root)
    known = Directory(root, store, cache=cache).record("", ())
    DAMAGE[damage](cache)
    read.clear()
    found = Directory(root, store, cache=cache).record(known.tree, ())
    assert len(read) == 8
    assert (found.tree, found.what) == (known.tree, "none")


def test_the_cache_of_another_store_or_directory_is_none(root: Path, read: list[int], tmp_path: Path) -> None:
    cache, other = tmp_path / "marks", tmp_path / "other"
    wait_until_settled(root)
    Directory(root, MemoryStore(), cache=cache).record("", ())
    store = MemoryStore()
    found = Directory(root, store, cache=cache).record("", ())
    assert recorded(store.get, found.tree) == truth(root)
    other.mkdir()
    found = Directory(other, store, cache=cache).record("", ())
    assert found.files == 0


def test_other_secrets_make_another_cache(root: Path, read: list[int], tmp_path: Path) -> None:
    store, cache = MemoryStore(), tmp_path / "marks"
    wait_until_settled(root)
    Directory(root, store, cache=cache).record("", ())
    found = Directory(root, store, cache=cache, secrets=["a"]).record("", ())
    assert b"a" not in recorded(store.get, found.tree)


def test_rules_that_changed_while_nobody_looked_count(root: Path, read: list[int], tmp_path: Path) -> None:
    store, cache = MemoryStore(), tmp_path / "marks"
    (root / ".perdureignore").write_text("leaf\n")
    wait_until_settled(root)
    known = Directory(root, store, cache=cache).record("", ())
    assert known.left == 1
    (root / ".perdureignore").unlink()
    found = Directory(root, store, cache=cache).record(known.tree, ())
    assert recorded(store.get, found.tree) == truth(root)


def test_objects_that_were_collected_are_stored_again(root: Path) -> None:
    """A tree that no event came to name may lose its objects; the next one must not lean on them."""
    store = Forgetful()
    directory = Directory(root, store)
    known = directory.record("", ())
    kept = set(objects(store.get, known.tree, set()))
    (root / "src" / "new").write_bytes(b"new content")
    (root / "huge").write_bytes(os.urandom(5_000_000))
    unnamed = directory.record(known.tree, ())
    gone = set(objects(store.get, unnamed.tree, set())) - kept
    assert len(gone) > 4
    for one in sorted(gone):
        wait_until_settled(root)
        again = directory.record(known.tree, ())
        if one in store._shelf.blobs:
            store.drop(one)
        found = directory.record(known.tree, ())
        assert found.tree == again.tree
        assert recorded(store.get, found.tree) == truth(root)


def test_a_known_tree_that_is_gone_is_said_and_everything_counts_as_new(root: Path) -> None:
    store = Forgetful()
    known = Directory(root, store).record("", ())
    store.drop(known.tree)
    (root / "a").write_bytes(b"other")
    found = Directory(root, store).record(known.tree, ())
    assert found.what == "files"
    assert known.tree[:12] in found.notes[0]
    assert recorded(store.get, found.tree) == truth(root)


def test_a_recording_that_fails_leaves_the_next_one_whole(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = MemoryStore()
    directory = Directory(root, store)
    known = directory.record("", ())
    (root / "a").write_bytes(b"changed")
    (root / "src" / "new").write_bytes(b"new")

    def full(digest: str, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "put", full)
    with pytest.raises(OSError, match="No space"):
        directory.record(known.tree, ())
    monkeypatch.undo()
    found = directory.record(known.tree, ())
    assert {each.path for each in found.changes} == {"a", "src/new"}
    assert recorded(store.get, found.tree) == truth(root)


def test_a_look_stores_nothing_and_spoils_nothing(root: Path) -> None:
    store = MemoryStore()
    directory = Directory(root, store)
    known = directory.record("", ())
    (root / "a").write_bytes(b"changed")
    blobs = set(store._shelf.blobs)
    seen = directory.present()
    assert set(store._shelf.blobs) == blobs
    assert not seen.objects.keys() <= blobs
    found = directory.record(known.tree, ())
    assert found.tree == seen.tree
    assert recorded(store.get, found.tree) == truth(root)


def test_only_the_named_paths_are_looked_at_where_the_detector_is_exact(root: Path, read: list[int]) -> None:
    store = MemoryStore()
    directory = Directory(root, store)
    wait_until_settled(root)
    known = directory.record("", ())
    (root / "a").write_bytes(b"named")
    (root / "b").write_bytes(b"not named")
    (root / "src" / "deep" / "deeper" / "leaf").write_bytes(b"named too")
    (root / "src" / "fresh").mkdir()
    (root / "src" / "fresh" / "x").write_bytes(b"x")
    (root / "full" / "one").unlink()
    read.clear()
    named = ["a", "src/deep/deeper/leaf", "src/fresh", "src/fresh/x", "full/one", "nowhere/at/all"]
    found = directory.record(known.tree, (), exact=named)
    assert {each.path for each in found.changes} == {*named[:-1]}
    assert sorted(read) == [1, 5, 9]
    rest = directory.record(found.tree, ())
    assert {each.path for each in rest.changes} == {"b"}
    assert recorded(store.get, rest.tree) == truth(root)


def test_hard_links_are_right_also_where_only_some_paths_are_looked_at(root: Path) -> None:
    store = MemoryStore()
    directory = Directory(root, store)
    wait_until_settled(root)
    known = directory.record("", ())
    (root / "first").rename(root / "zz")
    found = directory.record(known.tree, (), exact=["first", "zz"])
    assert recorded(store.get, found.tree) == truth(root)
    os.link(root / "second", root / "src" / "aa")
    found = directory.record(found.tree, (), exact=["src/aa"])
    assert recorded(store.get, found.tree) == truth(root)
