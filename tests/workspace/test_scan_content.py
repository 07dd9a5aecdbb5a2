"""The bytes of files: whole, cut by content, with holes, and changing while they are read."""

import os
import random
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from perdure.adapters.memory import MemoryStore
from perdure.adapters.workspace import Directory
from perdure.adapters.workspace import sheets as sheets_module
from perdure.adapters.workspace.content import BLOCK_BYTES, Kept, keep_file
from perdure.adapters.workspace.keeping import Keeper
from perdure.checkpoint.tree import Entry, Recipe, find, read_recipe
from perdure.values.limits import BLOB_IN_STORE_BYTES_MAX, FILE_IN_ONE_BLOB_BYTES_MAX
from tests.workspace.scan_truth import recorded, truth, wait_until_settled

MEGABYTE = 1024 * 1024


def entry_of(store: MemoryStore, tree: str, path: str) -> Entry:
    found = find(store.get, tree, path)
    assert found is not None
    return found


def recipe_of(store: MemoryStore, tree: str, path: str) -> Recipe:
    entry = entry_of(store, tree, path)
    assert entry.recipe
    return read_recipe(store.get(entry.content.hex()))


@pytest.mark.parametrize("size", [0, 1, 65536, FILE_IN_ONE_BLOB_BYTES_MAX])
def test_a_file_up_to_the_bound_is_one_blob(tmp_path: Path, size: int) -> None:
    (tmp_path / "f").write_bytes(b"x" * size)
    store = MemoryStore()
    entry = entry_of(store, Directory(tmp_path, store).record("", ()).tree, "f")
    assert not entry.recipe
    assert store.get(entry.content.hex()) == b"x" * size


def test_an_insertion_in_a_large_file_stores_little_again(tmp_path: Path) -> None:
    content = random.Random(1).randbytes(24 * MEGABYTE)
    (tmp_path / "big").write_bytes(content)
    store = MemoryStore()
    directory = Directory(tmp_path, store)
    known = directory.record("", ())
    assert known.new_bytes == len(content)
    (tmp_path / "big").write_bytes(content[: 9 * MEGABYTE] + b"inserted" + content[9 * MEGABYTE :])
    found = directory.record(known.tree, ())
    assert found.what == "files"
    assert found.new_bytes < 3 * MEGABYTE
    assert recorded(store.get, found.tree) == truth(tmp_path)
    sizes = [piece.size for piece in recipe_of(store, found.tree, "big").pieces]
    assert max(sizes) <= BLOB_IN_STORE_BYTES_MAX, "all of them share the event's transaction"
    assert sum(sizes) / len(sizes) > BLOB_IN_STORE_BYTES_MAX / 4


def test_a_hundred_gigabytes_of_hole_cost_nothing(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(100 * 1024**3)
        file.seek(50 * 1024**3 + 12345)
        file.write(b"an island")
    store = MemoryStore()
    known = Directory(tmp_path, store).record("", ())
    recipe = recipe_of(store, known.tree, "sparse")
    assert recipe.size == 100 * 1024**3
    assert len(recipe.pieces) == 1
    piece = recipe.pieces[0]
    held = store.get(piece.blob.hex())
    assert held[50 * 1024**3 + 12345 - piece.start :].startswith(b"an island")
    assert known.new_bytes <= BLOCK_BYTES


def test_equal_bytes_have_equal_recipes_however_they_are_allocated(tmp_path: Path) -> None:
    content = bytearray(random.Random(2).randbytes(8 * MEGABYTE))
    content[MEGABYTE : 3 * MEGABYTE] = bytes(2 * MEGABYTE)
    content += bytes(MEGABYTE)
    (tmp_path / "dense").write_bytes(content)
    with (tmp_path / "sparse").open("wb") as file:
        file.write(content[:MEGABYTE])
        file.seek(3 * MEGABYTE)
        file.write(content[3 * MEGABYTE : 8 * MEGABYTE])
        file.truncate(len(content))
    with (tmp_path / "reserved").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, len(content))
        file.write(content)
    store = MemoryStore()
    tree = Directory(tmp_path, store).record("", ()).tree
    assert len({entry_of(store, tree, name).content for name in ("dense", "sparse", "reserved")}) == 1
    assert recorded(store.get, tree) == truth(tmp_path)


def test_a_recipe_depends_on_nothing_but_the_bytes(tmp_path: Path) -> None:
    """Windows of the reader leave no trace: the same bytes further back in a file are cut the same way."""
    body = random.Random(3).randbytes(14 * MEGABYTE)
    (tmp_path / "one").write_bytes(body)
    (tmp_path / "two").write_bytes(bytes(2 * MEGABYTE) + body)
    store = MemoryStore()
    tree = Directory(tmp_path, store).record("", ()).tree
    one, two = recipe_of(store, tree, "one"), recipe_of(store, tree, "two")
    assert [piece.blob for piece in one.pieces] == [piece.blob for piece in two.pieces]
    assert [piece.start + 2 * MEGABYTE for piece in one.pieces] == [piece.start for piece in two.pieces]


# -- files that change while they are read -------------------------------------------------------------


def _meddled(monkeypatch: pytest.MonkeyPatch, path: Path, contents: Iterator[bytes]) -> None:
    """While ``path`` is read, somebody writes the next of ``contents`` into it."""

    def keep(fd: int, keeper: Keeper) -> Kept:
        body = keep_file(fd, keeper)
        if os.fstat(fd).st_ino == path.stat().st_ino:
            fresh = next(contents, None)
            if fresh is not None:
                path.write_bytes(fresh)
        return body

    monkeypatch.setattr(sheets_module, "keep_file", keep)


def test_a_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"first")
    _meddled(monkeypatch, tmp_path / "f", iter([b"second"]))
    store = MemoryStore()
    found = Directory(tmp_path, store).record("", ())
    assert found.torn == ()
    assert recorded(store.get, found.tree) == truth(tmp_path)


def test_a_file_that_never_holds_still_is_torn_and_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"first")
    _meddled(monkeypatch, tmp_path / "f", iter([b"second", b"third"]))
    store = MemoryStore()
    directory = Directory(tmp_path, store)
    found = directory.record("", ())
    assert found.torn == ("f",)
    monkeypatch.undo()
    wait_until_settled(tmp_path)
    later = directory.record(found.tree, ())
    assert (later.torn, later.what) == ((), "files")
    assert recorded(store.get, later.tree) == truth(tmp_path)


def test_a_directory_that_is_emptied_while_it_is_listed_is_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(b"content")

    def keep(fd: int, keeper: Keeper) -> Kept:
        if (tmp_path / "c").exists():
            (tmp_path / "c").rename(tmp_path / "d")
        return keep_file(fd, keeper)

    monkeypatch.setattr(sheets_module, "keep_file", keep)
    store = MemoryStore()
    found = Directory(tmp_path, store).record("", ())
    assert recorded(store.get, found.tree) == truth(tmp_path)


def test_a_directory_swapped_for_a_link_leads_nowhere(tmp_path: Path) -> None:
    """Somebody swaps a directory for a link to the outside again and again; nothing outside is ever read."""
    outside, root = tmp_path / "outside", tmp_path / "work"
    outside.mkdir()
    root.mkdir()
    (outside / "treasure").write_bytes(b"not ours")
    (root / "d").mkdir()
    (root / "d" / "treasure").write_bytes(b"ours")
    store, stop = MemoryStore(), threading.Event()

    def swap() -> None:
        while not stop.is_set():
            (root / "d").rename(root / "aside")
            (root / "d").symlink_to(outside)
            (root / "d").unlink()
            (root / "aside").rename(root / "d")

    meddler = threading.Thread(target=swap)
    meddler.start()
    try:
        for _ in range(300):
            tree = Directory(root, store).record("", ()).tree
            assert all(fact.content != b"not ours" for fact in recorded(store.get, tree).values())
    finally:
        stop.set()
        meddler.join()


# -- what reading may not do ---------------------------------------------------------------------------


def test_reading_leaves_access_times_alone(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    (tmp_path / "d").mkdir()
    for path in (tmp_path / "f", tmp_path / "d", tmp_path):
        os.utime(path, ns=(1, 1))
    Directory(tmp_path, MemoryStore()).record("", ())
    assert {path.stat().st_atime_ns for path in (tmp_path / "f", tmp_path / "d", tmp_path)} == {1}


def test_a_fifo_is_recorded_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o640)
    store = MemoryStore()
    tree = Directory(tmp_path, store).record("", ()).tree
    assert entry_of(store, tree, "pipe").kind == "fifo"
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    os.close(reader)


UNREADABLE = """
    import os, sys
    from pathlib import Path
    from perdure.adapters.memory import MemoryStore
    from perdure.adapters.workspace import Directory
    if os.geteuid() == 0:
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
    os.environ["HOME"] = "/nonexistent"
    try:
        Directory(Path(sys.argv[1]), MemoryStore()).record("", ())
    except PermissionError as error:
        print(error.filename, error.strerror)
"""


def test_what_cant_be_read_is_named_with_the_cure() -> None:
    with tempfile.TemporaryDirectory() as place:
        # Whoever reads is nobody, and has to get this far.
        Path(place).chmod(0o755)
        root = Path(place) / "work"
        (root / "below").mkdir(parents=True)
        (root / "below" / "mine").write_bytes(b"private")
        for path, mode in ((root / "below" / "mine", 0), (root / "below", 0o644), (root / "below", 0o311)):
            whole = path.stat().st_mode
            path.chmod(mode)
            told = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(UNREADABLE), str(root)],
                capture_output=True,
                text=True,
                check=True,
            )
            path.chmod(whole)
            assert told.stdout.startswith("below")
            assert "can't be read" in told.stdout
            assert ".perdureignore" in told.stdout


def test_a_root_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    root, outside = tmp_path / "work", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "treasure").write_bytes(b"not ours")
    directory = Directory(root, MemoryStore())
    known = directory.record("", ())
    root.rmdir()
    root.symlink_to(outside)
    with pytest.raises(OSError, match="work"):
        directory.record(known.tree, ())


# -- bounded memory --------------------------------------------------------------------------------------

MEASURED = """
    import sys
    from pathlib import Path
    from perdure.adapters.workspace import Directory
    class Away:
        '''A store that keeps names and the small objects that a tree is read by.'''
        def __init__(self):
            self.names, self.small = set(), {}
        def get(self, digest, start=0, size=None):
            return self.small[digest]
        def put(self, digest, content):
            self.names.add(digest)
            if len(content) < 8000:
                self.small[digest] = content
        def has(self, digest):
            return digest in self.names
    def most():
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    before = most()
    found = Directory(Path(sys.argv[1]), Away()).record("", ())
    print(found.files, found.new_bytes, most() - before)
"""
"""The kernel's own mark: what ``getrusage`` says after ``exec`` includes the process that started this one."""


def measured(root: Path) -> tuple[int, int, int]:
    """Return files, new bytes, and by how many KB the memory grew at a first look."""
    told = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MEASURED), str(root)],
        capture_output=True,
        text=True,
        check=True,
    )
    files, new_bytes, kilobytes = map(int, told.stdout.split())
    return files, new_bytes, kilobytes


def test_a_first_look_at_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    chance = random.Random(4)
    with (tmp_path / "big").open("wb") as file:
        for _ in range(150):
            file.write(chance.randbytes(MEGABYTE))
    files, new_bytes, kilobytes = measured(tmp_path)
    assert (files, new_bytes) == (1, 150 * MEGABYTE)
    assert kilobytes < 40_000


def test_a_first_look_at_many_files_takes_little_memory(tmp_path: Path) -> None:
    for folder in range(200):
        (tmp_path / str(folder)).mkdir()
        for number in range(50):
            (tmp_path / str(folder) / f"file-{number}.py").write_bytes(b"%d %d\n" % (folder, number) * 50)
    files, _, kilobytes = measured(tmp_path)
    assert files == 10_000
    # What the nodes take grows with the files: a fifth of 50,000 within a fifth of 200 MB.
    assert kilobytes < 40_000
