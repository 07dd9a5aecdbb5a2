"""Every kind of change is found, by its path and by how it changed, and the tree says what is so."""

import mmap
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from perdure.adapters.memory import MemoryStore
from perdure.adapters.workspace import Directory
from tests.workspace.scan_truth import differing, recorded, truth, wait_until_settled

AS_ROOT = os.geteuid() == 0
BIG = 5 * 1024 * 1024


def build(root: Path) -> None:
    """Make a directory with one of everything."""
    (root / "src" / "deep" / "deeper").mkdir(parents=True)
    (root / "empty").mkdir()
    (root / "full").mkdir()
    (root / "full" / "one").write_bytes(b"one")
    (root / "src" / "main.py").write_bytes(b"print('hello')\n")
    (root / "src" / "deep" / "deeper" / "leaf").write_bytes(b"leaf\n")
    (root / "a").write_bytes(b"aaaa")
    (root / "b").write_bytes(b"bbbb")
    (root / "big").write_bytes(os.urandom(BIG))
    (root / "tool").write_bytes(b"#!/bin/sh\n")
    (root / "tool").chmod(0o755)
    (root / "link").symlink_to("a")
    (root / "first").write_bytes(b"shared")
    os.link(root / "first", root / "second")
    os.mkfifo(root / "pipe")


def keep_time(path: Path, change: Callable[[], object]) -> None:
    before = path.stat()
    change()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap(root: Path) -> None:
    (root / "a").rename(root / "c")
    (root / "b").rename(root / "a")
    (root / "c").rename(root / "b")


def punch(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(BIG // 2)
        file.write(bytes(1024 * 1024))


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more\n")


def into_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").write_bytes(b"x")


def into_file(path: Path) -> None:
    for each in path.iterdir():
        each.unlink()
    path.rmdir()
    path.write_bytes(b"file now")


def retarget(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def replace(path: Path, content: bytes) -> None:
    fresh = path.with_name("fresh")
    fresh.write_bytes(content)
    fresh.rename(path)


def name_of_no_text(root: Path) -> None:
    (root / os.fsdecode(b"caf\xe9")).write_bytes(b"latin")


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))


def deep(root: Path) -> None:
    path = root
    for _ in range(60):
        path /= "d"
    path.mkdir(parents=True)
    (path / "bottom").write_bytes(b"bottom")


CHANGES: dict[str, Callable[[Path], object]] = {
    "create": lambda r: (r / "new").write_bytes(b"new"),
    "create below": lambda r: (r / "src" / "deep" / "deeper" / "new").write_bytes(b"new"),
    "write": lambda r: (r / "a").write_bytes(b"longer than before"),
    "write the same size": lambda r: (r / "a").write_bytes(b"AAAA"),
    "write and put the time back": lambda r: keep_time(r / "a", lambda: (r / "a").write_bytes(b"AAAA")),
    "append": lambda r: append(r / "src" / "main.py"),
    "truncate": lambda r: os.truncate(r / "a", 1),
    "empty": lambda r: os.truncate(r / "a", 0),
    "write into a large file": lambda r: punch(r / "big"),
    "grow a large file by a hole": lambda r: os.truncate(r / "big", BIG * 3),
    "make a large file small": lambda r: os.truncate(r / "big", 10),
    "chmod": lambda r: (r / "a").chmod(0o600),
    "chmod and put the time back": lambda r: keep_time(r / "a", lambda: (r / "a").chmod(0o640)),
    "make executable": lambda r: (r / "a").chmod(0o755),
    "set-user-id": lambda r: (r / "tool").chmod(0o4755),
    "sticky directory": lambda r: (r / "empty").chmod(0o1777),
    "mode of a directory": lambda r: (r / "src").chmod(0o700),
    "rename": lambda r: (r / "a").rename(r / "z"),
    "rename over another": lambda r: (r / "a").rename(r / "b"),
    "move into another directory": lambda r: (r / "a").rename(r / "src" / "a"),
    "rename a directory": lambda r: (r / "src").rename(r / "lib"),
    "swap two files": swap,
    "delete": lambda r: (r / "a").unlink(),
    "delete a large file": lambda r: (r / "big").unlink(),
    "make a directory": lambda r: (r / "newdir").mkdir(),
    "remove an empty directory": lambda r: (r / "empty").rmdir(),
    "empty a directory": lambda r: (r / "full" / "one").unlink(),
    "fill an empty directory": lambda r: (r / "empty" / "x").write_bytes(b""),
    "make a symbolic link": lambda r: (r / "other").symlink_to("nowhere"),
    "retarget a symbolic link": lambda r: retarget(r / "link", "b"),
    "retarget with the same length": lambda r: retarget(r / "link", "c"),
    "a link becomes what it named": lambda r: replace(r / "link", b"aaaa"),
    "make a hard link": lambda r: os.link(r / "a", r / "a2"),
    "make an earlier hard link": lambda r: os.link(r / "first", r / "aa"),
    "a hard link below": lambda r: os.link(r / "first", r / "src" / "third"),
    "break a hard link": lambda r: replace(r / "second", b"shared"),
    "remove the first hard link": lambda r: (r / "first").unlink(),
    "write through a hard link": lambda r: (r / "second").write_bytes(b"SHARED"),
    "rename the first hard link behind": lambda r: (r / "first").rename(r / "zfirst"),
    "a file becomes a directory": lambda r: into_folder(r / "a"),
    "a directory becomes a file": lambda r: into_file(r / "full"),
    "a directory becomes a link": lambda r: ((r / "empty").rmdir(), (r / "empty").symlink_to("src")),
    "make a FIFO": lambda r: os.mkfifo(r / "pipe2"),
    "a FIFO becomes a file": lambda r: ((r / "pipe").unlink(), (r / "pipe").write_bytes(b"")),
    "mode of a FIFO": lambda r: (r / "pipe").chmod(0o600),
    "make a socket": lambda r: listen(r / "socket"),
    "a name that is no text": name_of_no_text,
    "names that differ by case": lambda r: (r / "A").write_bytes(b"aaaa"),
    "names that look the same": lambda r: [(r / n).write_bytes(b"") for n in ("\u00e9", "e\u0301")],
    "names with odd letters": lambda r: [
        (r / n).write_bytes(b"") for n in ("a b", "new\nline", "\U0001f600", "*")
    ],
    "deep below": deep,
    "replace by other content of that size": lambda r: replace(r / "a", b"zzzz"),
}

AS_ROOT_CHANGES: dict[str, Callable[[Path], object]] = {
    "owner": lambda r: os.chown(r / "a", 1234, -1),
    "group of a directory": lambda r: os.chown(r / "src", -1, 1234),
    "owner of a link": lambda r: os.lchown(r / "link", 1234, 1234),
    "owner of a FIFO": lambda r: os.chown(r / "pipe", 1234, 1234),
    "extended attribute": lambda r: os.setxattr(r / "a", "user.note", b"x"),
    "extended attribute of a directory": lambda r: os.setxattr(r / "src", "user.note", b"x"),
}

NO_CHANGES: dict[str, Callable[[Path], object]] = {
    "nothing": lambda r: None,
    "read": lambda r: (r / "a").read_bytes(),
    "touch": lambda r: os.utime(r / "a"),
    "another time": lambda r: os.utime(r / "a", ns=(1, 1)),
    "time of a directory": lambda r: os.utime(r / "src", ns=(1, 1)),
    "the same content again": lambda r: (r / "a").write_bytes(b"aaaa"),
    "replace by the same content": lambda r: replace(r / "a", b"aaaa"),
    "create and delete": lambda r: ((r / "tmp").write_bytes(b""), (r / "tmp").unlink()),
    "there and back": lambda r: ((r / "a").rename(r / "q"), (r / "q").rename(r / "a")),
    "mode there and back": lambda r: ((r / "a").chmod(0o600), (r / "a").chmod(0o644)),
    "rewrite a large file": lambda r: (r / "big").write_bytes((r / "big").read_bytes()),
    "a cache": lambda r: ((r / "__pycache__").mkdir(), (r / "__pycache__" / "x.pyc").write_bytes(b"x")),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "work"
    made.mkdir()
    os.umask(0o022)
    build(made)
    return made


def look(
    root: Path, name: str, change: Callable[[Path], object], *, settle: bool
) -> tuple[dict[str, str], str]:
    """Record, change, record; return what the second record found, and check it against the truth."""
    store = MemoryStore()
    directory = Directory(root, store)
    if settle:
        wait_until_settled(root)
    known = directory.record("", ())
    assert recorded(store.get, known.tree) == truth(root)
    before = truth(root)
    change(root)
    found = directory.record(known.tree, ())
    told = {each.path: each.change for each in found.changes}
    if not (root / "__pycache__").exists():
        assert recorded(store.get, found.tree) == truth(root), name
        assert told == differing(before, truth(root)), name
        assert found.tree == Directory(root, store).record(known.tree, ()).tree, "a fresh look sees the same"
    assert directory.record(found.tree, ()).what == "none", "a change is told once"
    return told, found.what


@pytest.mark.parametrize("settle", [False, True], ids=["fresh", "settled"])
@pytest.mark.parametrize("name", [*CHANGES, *(AS_ROOT_CHANGES if AS_ROOT else ())])
def test_a_change_is_found(root: Path, name: str, settle: bool) -> None:
    told, what = look(root, name, {**CHANGES, **AS_ROOT_CHANGES}[name], settle=settle)
    assert what == "files"
    assert told


@pytest.mark.parametrize("settle", [False, True], ids=["fresh", "settled"])
@pytest.mark.parametrize("name", NO_CHANGES)
def test_what_leaves_nothing_behind_is_no_change(root: Path, name: str, settle: bool) -> None:
    told, what = look(root, name, NO_CHANGES[name], settle=settle)
    assert what == "none"
    assert not told


def test_the_mode_of_the_root_is_a_change(root: Path) -> None:
    store = MemoryStore()
    directory = Directory(root, store)
    known = directory.record("", ())
    root.chmod(0o700)
    found = directory.record(known.tree, ())
    assert (found.what, [each.path for each in found.changes]) == ("files", [""])


def test_a_touched_file_is_recorded_with_its_new_time(root: Path) -> None:
    store = MemoryStore()
    directory = Directory(root, store)
    known = directory.record("", ())
    os.utime(root / "a", ns=(7, 7))
    found = directory.record(known.tree, ())
    assert found.what == "none"
    assert found.tree != known.tree
    os.utime(root / "a", ns=(8, 8))
    assert directory.record(known.tree, ()).what == "none"


def test_a_write_through_a_mapping_that_leaves_no_mark_is_found_where_it_is_hot(root: Path) -> None:
    store = MemoryStore()
    directory = Directory(root, store)
    path = root / "src" / "main.py"
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[0:1] = b"1"
        wait_until_settled(root)
        known = directory.record("", ())
        marks = path.stat()
        mapped[0:1] = b"2"
        assert path.stat() == marks, "the page was dirty already, so nothing shows"
        found = directory.record(known.tree, (), hot=["src/main.py"])
        assert [each.path for each in found.changes] == ["src/main.py"]
        mapped[0:1] = b"3"
    last = directory.record(found.tree, ())
    assert [each.path for each in last.changes] == ["src/main.py"], "it was mapped at the last look"
    assert recorded(store.get, last.tree) == truth(root)


def test_two_directories_that_are_equal_have_equal_trees(tmp_path: Path) -> None:
    trees: list[str] = []
    for place, names in (("one", ["x", "y", "z"]), ("two", ["z", "x", "tmp", "y"])):
        root = tmp_path / place
        root.mkdir()
        for name in names:
            (root / name).write_bytes(b"same")
            os.utime(root / name, ns=(5, 5))
        (root / "tmp").unlink(missing_ok=True)
        trees.append(Directory(root, MemoryStore()).record("", ()).tree)
    assert trees[0] == trees[1]
