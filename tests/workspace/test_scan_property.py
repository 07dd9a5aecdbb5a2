"""Whatever is done to a directory, in any order, the scanner says what has changed, and the tree says what is so.

Hypothesis makes up the operations; ``truth`` reads everything and remembers nothing. Beside the scanner stand
broken ones, each of which must be caught.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from perdure.adapters.memory import MemoryStore
from perdure.adapters.workspace import Directory
from perdure.adapters.workspace.marks import Marks, marks_of
from perdure.checkpoint.tree import decoded
from tests.workspace.scan_truth import differing, recorded, truth, wait_until_settled

NAMES = ["a", "b", "B", "c c", ".x", "\u00e9", os.fsdecode(b"\xff"), "d", "e"]
WORDS = [b"", b"one", b"two", b"longer words", b"lONGER WORDS", bytes(70_000), b"x" * 70_000]

FILE, LARGE = 5 * 1024 * 1024, 6 * 1024 * 1024


class Op(NamedTuple):
    """Something that is done: which kind, to what, with what. Numbers choose among what is there."""

    kind: str
    this: int
    that: int
    with_what: int


def _word(number: int) -> bytes:
    return WORDS[number % len(WORDS)]


def write(root: Path, this: Path, free: Path, number: int) -> None:
    if this.is_file() and not this.is_symlink():
        this.write_bytes(_word(number))


def create(root: Path, this: Path, free: Path, number: int) -> None:
    if not free.is_symlink() and not free.is_fifo():
        free.write_bytes(_word(number))


def append(root: Path, this: Path, free: Path, number: int) -> None:
    if this.is_file() and not this.is_symlink():
        with this.open("ab") as file:
            file.write(b"+" * (number % 3))


def write_and_put_time_back(root: Path, this: Path, free: Path, number: int) -> None:
    if this.is_file() and not this.is_symlink():
        found = this.stat()
        content = this.read_bytes()
        this.write_bytes(bytes(number % 256 for _ in content))
        os.utime(this, ns=(found.st_atime_ns, found.st_mtime_ns))


def truncate(root: Path, this: Path, free: Path, number: int) -> None:
    if this.is_file() and not this.is_symlink():
        os.truncate(this, number % 9)


def large(root: Path, this: Path, free: Path, number: int) -> None:
    if this.is_file() and not this.is_symlink():
        os.truncate(this, FILE if number % 2 else LARGE)


def poke(root: Path, this: Path, free: Path, number: int) -> None:
    if this.is_file() and not this.is_symlink():
        with this.open("r+b") as file:
            file.seek(number * 4096 % FILE)
            file.write(_word(number))


def touch(root: Path, this: Path, free: Path, number: int) -> None:
    os.utime(this, ns=(number, number), follow_symlinks=False)


def chmod(root: Path, this: Path, free: Path, number: int) -> None:
    if not this.is_symlink():
        this.chmod([0o644, 0o600, 0o755, 0o4755, 0o1777][number % 5] | (0o700 if this.is_dir() else 0))


def mkdir(root: Path, this: Path, free: Path, number: int) -> None:
    free.mkdir()


def rename(root: Path, this: Path, free: Path, number: int) -> None:
    this.rename(free)


def swap(root: Path, this: Path, free: Path, number: int) -> None:
    if not free.exists():
        return
    between = root / "between"
    this.rename(between)
    with suppress(OSError):
        free.rename(this)
    if not this.exists():
        between.rename(this)
    else:
        between.rename(free)


def unlink(root: Path, this: Path, free: Path, number: int) -> None:
    if this.is_dir() and not this.is_symlink():
        this.rmdir()
    else:
        this.unlink()


def remove_tree(root: Path, this: Path, free: Path, number: int) -> None:
    if this.is_dir() and not this.is_symlink():
        shutil.rmtree(this)


def symlink(root: Path, this: Path, free: Path, number: int) -> None:
    free.symlink_to(NAMES[number % len(NAMES)])


def link(root: Path, this: Path, free: Path, number: int) -> None:
    if this.is_file() and not this.is_symlink():
        os.link(this, free)


def fifo(root: Path, this: Path, free: Path, number: int) -> None:
    os.mkfifo(free)


def replace(root: Path, this: Path, free: Path, number: int) -> None:
    """The way of editors: a new file in the place of the old one, often with the same inode as one before."""
    if this.is_file() and not this.is_symlink():
        content = this.read_bytes()
        this.unlink()
        this.write_bytes(content if number % 2 else content[::-1])


def copy(root: Path, this: Path, free: Path, number: int) -> None:
    if this.is_file() and not this.is_symlink() and not free.exists():
        shutil.copy2(this, free)


def chown(root: Path, this: Path, free: Path, number: int) -> None:
    os.chown(this, number % 3, number % 2, follow_symlinks=False)


def attribute(root: Path, this: Path, free: Path, number: int) -> None:
    if not this.is_symlink() and not this.is_fifo():
        os.setxattr(this, "user.note", bytes([number % 3]))


Verb = Callable[[Path, Path, Path, int], object]
"""Done to (root, a path that may be there, a path that may be free, a number)."""

ANYBODYS: list[Verb] = [
    *(
        write,
        create,
        append,
        write_and_put_time_back,
        truncate,
        large,
        poke,
        touch,
        chmod,
        mkdir,
        rename,
        swap,
    ),
    *(unlink, remove_tree, symlink, link, fifo, replace, copy),
]
KINDS = {verb.__name__: verb for verb in (*ANYBODYS, *([chown, attribute] if os.geteuid() == 0 else []))}

OPERATIONS = st.lists(
    st.builds(
        Op,
        st.sampled_from([*KINDS, "look", "look", "look", "settle"]),
        st.integers(0, 40),
        st.integers(0, 40),
        st.integers(0, 40),
    ),
    max_size=25,
)


def perform(root: Path, op: Op) -> None:
    """Do it, if it can be done to what is there."""
    there = sorted(root.rglob("*"), key=os.fsencode)
    folders = [root, *(path for path in there if path.is_dir() and not path.is_symlink())]
    if not there and op.kind not in {"create", "mkdir", "symlink", "fifo"}:
        return
    this = there[op.this % len(there)] if there else root / "a"
    free = folders[op.that % len(folders)] / NAMES[op.with_what % len(NAMES)]
    with suppress(OSError):
        KINDS[op.kind](root, this, free, op.this * 41 + op.with_what)


Make = Callable[[Path, MemoryStore], Directory]


def play(operations: list[Op], make: Make, *, exact: bool = False, where: Path | None = None) -> int:
    """Do them all, look where that is asked and at the end; return how many looks there were.

    ``exact``: the scanner is told which paths have changed, and looks at no others. ``where``: in a directory
    there.
    """
    store = MemoryStore()
    with tempfile.TemporaryDirectory(dir=where) as place:
        root = Path(place) / "work"
        (root / "d" / "e").mkdir(parents=True)
        (root / "a").write_bytes(b"start")
        (root / "d" / "b").write_bytes(b"below")
        directory = make(root, store)
        known, before, looks = directory.record("", ()).tree, truth(root), 1
        for op in [*operations, Op("look", 0, 0, 0)]:
            if op.kind == "settle":
                wait_until_settled(root)
            elif op.kind != "look":
                perform(root, op)
                continue
            after = truth(root)
            changed = [
                decoded(path) for path in before.keys() | after.keys() if before.get(path) != after.get(path)
            ]
            found = directory.record(known, (), exact=named(root, changed) if exact else None)
            assert recorded(store.get, found.tree) == after
            assert {each.path: each.change for each in found.changes} == differing(before, after)
            assert found.what == ("files" if before != after else "none")
            known, before, looks = found.tree, after, looks + 1
        return looks


def named(root: Path, changed: list[str]) -> list[str]:
    """Return what a detector names: a file that got a name or lost one, under all of its names."""
    inodes = {(root / path).lstat().st_ino for path in changed if os.path.lexists(root / path)}
    twins = [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if not path.is_dir() and path.lstat().st_ino in inodes
    ]
    return sorted({*changed, *twins})


def whole(root: Path, store: MemoryStore) -> Directory:
    return Directory(root, store)


def on_a_coarse_clock(root: Path, store: MemoryStore) -> Directory:
    """On a file system that stamps in whole seconds."""
    directory = Directory(root, store)
    directory._marks_of = _whole_seconds
    return directory


def _whole_seconds(found: os.stat_result) -> Marks:
    mode, size, mtime, ctime, inode, user, group, links = marks_of(found)
    second = 1_000_000_000
    return (mode, size, mtime // second * second, ctime // second * second, inode, user, group, links)


ROUNDS = settings(
    max_examples=100,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
)


@ROUNDS
@given(OPERATIONS)
def test_no_change_is_missed_and_none_is_made_up(operations: list[Op]) -> None:
    play(operations, whole)


@ROUNDS
@given(OPERATIONS)
def test_none_is_missed_where_the_clock_of_the_file_system_is_coarse(operations: list[Op]) -> None:
    play(operations, on_a_coarse_clock)


@ROUNDS
@given(OPERATIONS)
def test_none_is_missed_where_a_detector_names_the_paths(operations: list[Op]) -> None:
    play(operations, whole, exact=True)


# -- broken scanners that the property must catch ------------------------------------------------------


def by_size_and_time(found: os.stat_result) -> Marks:
    return (0, found.st_size, found.st_mtime_ns, 1, 0, 0, 0, found.st_nlink)


def without_modes(found: os.stat_result) -> Marks:
    return (0, found.st_size, found.st_mtime_ns, 1, found.st_ino, found.st_uid, found.st_gid, found.st_nlink)


def with_marks(marks: Callable[[os.stat_result], Marks]) -> Make:
    def make(root: Path, store: MemoryStore) -> Directory:
        directory = Directory(root, store)
        directory._marks_of = marks
        return directory

    return make


def without_the_racy_rule(root: Path, store: MemoryStore) -> Directory:
    directory = on_a_coarse_clock(root, store)
    directory._clock = lambda: 1 << 62
    return directory


def that_remembers_too_much(root: Path, store: MemoryStore) -> Directory:
    """It takes each name for what stood there first."""
    directory = Directory(root, store)
    directory._marks_of = lambda found: (found.st_mode, 0, 0, 1, 0, 0, 0, 1)
    return directory


@pytest.mark.parametrize(
    "broken",
    [
        with_marks(by_size_and_time),
        with_marks(without_modes),
        without_the_racy_rule,
        that_remembers_too_much,
    ],
    ids=["by size and time", "without modes", "without the racy rule", "by kind alone"],
)
def test_a_broken_scanner_is_caught(broken: Make) -> None:
    @settings(ROUNDS, phases=[Phase.generate], max_examples=500, print_blob=False)
    @given(OPERATIONS)
    def property_of(operations: list[Op]) -> None:
        play(operations, broken)

    with pytest.raises(AssertionError):
        property_of()
