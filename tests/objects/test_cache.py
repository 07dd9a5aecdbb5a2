"""What a machine keeps of objects that it has read: right or read anew, within its bound, and never needed."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from perdure.adapters.objects import open_objects
from perdure.adapters.objects.cache import CachedObjects
from perdure.values.errors import BlobMissing, ObjectsAway

CONTENT = bytes(range(256)) * 16
SIZE = len(CONTENT) + 32


class Shelf:
    """An object store in memory that counts how often it is read, and can be away."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.reads = 0
        self.away = False

    def put(self, name: str, content: bytes) -> bool:
        return self.held.setdefault(name, content) is content

    def get(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        if self.away:
            raise ObjectsAway("away")
        self.reads += 1
        if name not in self.held:
            raise BlobMissing(name)
        content = self.held[name][start:]
        return content if size is None else content[:size]

    def names(self, prefix: str, after: str = "") -> Sequence[tuple[str, int]]:
        return [
            (name, len(held))
            for name, held in sorted(self.held.items())
            if name > after and name.startswith(prefix)
        ]

    def delete(self, names: Sequence[str]) -> None:
        for name in names:
            self.held.pop(name, None)

    def check(self) -> None: ...


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def wrong_answers(shelf: Shelf, cache: CachedObjects, directory: Path) -> int:
    """Spoil what is kept in each way that disks know; return how often something else than was put is given out."""
    wrong = 0
    for spoil in (
        lambda held: held[:-1],
        lambda held: held[:40] + bytes([held[40] ^ 1]) + held[41:],
        lambda held: bytes([held[0] ^ 1]) + held[1:],
        lambda held: held + b"x",
        lambda _: b"",
    ):
        cache.get("a")
        (file,) = files(directory)
        file.write_bytes(spoil(file.read_bytes()))
        wrong += cache.get("a") != shelf.held["a"]
    return wrong


def test_what_was_read_once_is_read_without_the_object_store(shelf: Shelf, tmp_path: Path):
    cache = CachedObjects(shelf, tmp_path, 1 << 20)
    cache.put("a", CONTENT)
    assert cache.get("a", 100, 50) == CONTENT[100:150]
    assert cache.get("a") == CONTENT
    shelf.away = True
    assert cache.get("a", 100, 50) == CONTENT[100:150]
    assert CachedObjects(shelf, tmp_path, 1 << 20).get("a") == CONTENT
    with pytest.raises(ObjectsAway):
        cache.get("a", 100, 51)
    assert shelf.reads == 2


def test_what_was_spoiled_on_the_disk_is_read_anew(shelf: Shelf, tmp_path: Path):
    shelf.put("a", CONTENT)
    assert wrong_answers(shelf, CachedObjects(shelf, tmp_path, 1 << 20), tmp_path) == 0
    assert shelf.reads == 1 + 5


def test_a_cache_that_is_not_checked_is_caught(shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(CachedObjects, "_whole", lambda _self, _held: True)
    shelf.put("a", CONTENT)
    assert wrong_answers(shelf, CachedObjects(shelf, tmp_path, 1 << 20), tmp_path) > 0


def test_it_stays_within_its_bound_and_keeps_what_was_used_last(shelf: Shelf, tmp_path: Path):
    bound = 32 * SIZE
    cache = CachedObjects(shelf, tmp_path, bound)
    for number in range(100):
        shelf.put(f"{number}", CONTENT)
        cache.get(f"{number}")
        # Times of files may be coarse; the order in which they were used is what counts.
        os.utime(max(files(tmp_path), key=lambda path: path.stat().st_mtime_ns))
        cache.get("0")
        assert sum(path.stat().st_size for path in files(tmp_path)) <= bound
    before = shelf.reads
    cache.get("99")
    cache.get("0")
    assert shelf.reads == before
    cache.get("1")
    assert shelf.reads == before + 1


def test_what_is_larger_than_its_share_is_not_kept(shelf: Shelf, tmp_path: Path):
    cache = CachedObjects(shelf, tmp_path, 2 * SIZE)
    shelf.put("a", CONTENT)
    assert cache.get("a") == CONTENT
    assert files(tmp_path) == []


def test_where_nothing_can_be_written_there_is_no_cache(shelf: Shelf, tmp_path: Path):
    (tmp_path / "file").write_text("x")
    cache = CachedObjects(shelf, tmp_path / "file" / "cache", 1 << 20)
    shelf.put("a", CONTENT)
    assert cache.get("a") == CONTENT


def test_settings_give_each_machine_its_cache(tmp_path: Path):
    settings = {"url": f"file://{tmp_path}/objects"}
    assert isinstance(open_objects(settings, cache=tmp_path / "cache"), CachedObjects)
    assert not isinstance(
        open_objects(settings | {"cache_bytes": 0}, cache=tmp_path / "cache"), CachedObjects
    )
