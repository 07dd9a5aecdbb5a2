"""What a command changed, read from the upper directory of its overlay.

Invariants:
- The upper directory holds exactly what was created, changed and deleted; nothing else is looked at,
  so the cost goes by the change, not by the workspace.
- The workspace is only read: a plan says what would be done, and whether it may be.
- No symbolic link is followed, neither in the upper directory nor in the workspace.

The kernel's spelling: a character device 0/0 is a deletion; a directory marked ``opaque`` replaces the
one below it, any other directory adds to it.
"""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

from perdure.values.limits import LANDING_DEPTH_MAX

MARK: Final = "user.overlay."
"""Attributes that the kernel's overlay keeps for itself."""

_PIECE_BYTES: Final = 1024 * 1024
_ESCAPED: Final = MARK + "overlay."
"""How the kernel keeps an attribute that a program itself named like a mark."""

_OPAQUE: Final = MARK + "opaque"
_ORIGIN: Final = MARK + "origin"

Allows = Callable[[str], bool]
"""Whether a path of the workspace may be changed."""


class Step(NamedTuple):
    """What is to be done with one name of a directory of the workspace."""

    name: str
    deed: Literal["remove", "move", "merge"]
    """delete it, put what the upper directory has in its place, or go into both directories"""
    inside: tuple["Step", ...] = ()
    mtime_ns: int = 0
    """of a merged directory, in the end: moving its entries changes it on both sides"""


class Marked(NamedTuple):
    """A path of the upper directory that carries marks of the overlay's own."""

    path: str
    marks: tuple[str, ...]
    """to be taken off"""
    own: tuple[tuple[str, bytes], ...]
    """attributes that the command itself named like marks, which the kernel keeps under another name"""


class Change(NamedTuple):
    """All that one command changed, and what stands against it."""

    steps: tuple[Step, ...]
    paths: frozenset[str]
    """every path created, changed or deleted, and directories of whose entries one was; '.' is the root"""
    outside: tuple[str, ...]
    """those that may not be changed"""
    foreign: tuple[str, ...]
    """those that somebody else changed while the command ran"""
    marked: tuple[Marked, ...]
    void: tuple[str, ...]
    """deletions in a directory that replaces another: they say nothing"""
    mtime_ns: int
    """of the root, in the end"""
    shut: tuple[tuple[str, int], ...] = ()
    """directories that their owner may not enter or change, with the mode they get in the end"""
    deep: str = ""
    """a path that is nested deeper than perdure goes"""


def read_change(upper: Path, root: Path, allows: Allows | None, started: int) -> Change:
    """Return what landing ``upper`` in ``root`` would do.

    ``started`` is the file system's time before the command began, in ns: what changed later in the
    workspace itself was somebody else's doing.
    """
    reader = _Reader(str(upper), str(root), started)
    reader.whole()
    return Change(
        tuple(reader.steps),
        frozenset(reader.paths),
        reader.outside(allows) if allows else (),
        tuple(sorted(reader.foreign)),
        tuple(reader.marked.values()),
        tuple(reader.void),
        os.lstat(upper).st_mtime_ns,
        tuple(reader.shut),
        reader.deep,
    )


class _Reader:
    def __init__(self, upper: str, root: str, started: int) -> None:
        self._upper: str = upper
        self._root: str = root
        self._started: int = started
        self._folders: set[str] = set()  # created: needed by what is in them
        self._aged: set[str] = set()  # directories of which only the time differs
        self.steps: tuple[Step, ...] = ()
        self.paths: set[str] = set()
        self.foreign: set[str] = set()
        self.marked: dict[str, Marked] = {}
        self.void: list[str] = []
        self.shut: list[tuple[str, int]] = []
        self.deep: str = ""

    def whole(self) -> None:
        """Read all of the upper directory."""
        found = os.lstat(self._upper)
        self._compare("", found, os.lstat(self._root))
        self._open("", found)
        self._marks("")
        self.steps = self._directory("", 0)

    def outside(self, allows: Allows) -> tuple[str, ...]:
        """Return the paths that may not be changed.

        A directory that was made on the way to what may be changed is no change of its own, and
        neither is the time of one that got or lost an entry.
        """
        refused = {path for path in self.paths - self._aged if not allows(path)}
        if refused:
            refused -= self._folders & _above(self.paths - refused)
        return tuple(sorted(refused))

    def _compare(self, path: str, found: os.stat_result, there: os.stat_result) -> None:
        if _looks(found) != _looks(there) or _own(self._upper, path) != _attributes(self._root, path):
            self.paths.add(path or ".")
        elif found.st_mtime_ns != there.st_mtime_ns:
            self.paths.add(path or ".")
            self._aged.add(path or ".")

    def _directory(self, path: str, depth: int) -> tuple[Step, ...]:
        """Return the steps for what the upper directory has in ``path``, which both sides have."""
        steps: list[Step] = []
        for entry in _entries(self._upper, path):
            inner = f"{path}/{entry.name}" if path else entry.name
            found = entry.stat(follow_symlinks=False)
            there = _stat(self._root, inner)
            if stat.S_ISCHR(found.st_mode):
                steps += self._removed(entry.name, inner, there)
            elif stat.S_ISDIR(found.st_mode):
                steps.append(self._folder(inner, found, there, depth))
            elif not self._untouched(inner, found, there):
                self._put(inner, found, there)
                steps.append(Step(entry.name, "move"))
        return tuple(steps)

    def _untouched(self, path: str, found: os.stat_result, there: os.stat_result | None) -> bool:
        """Whether a file was only opened to be written: the overlay copies it then, whatever follows."""
        return (
            there is not None
            and stat.S_ISREG(found.st_mode) and stat.S_ISREG(there.st_mode)
            and found.st_nlink == there.st_nlink == 1
            and (found.st_size, found.st_mtime_ns) == (there.st_size, there.st_mtime_ns)
            and _looks(found) == _looks(there)
            and _own(self._upper, path) == _attributes(self._root, path)
            and _same_content(f"{self._upper}/{path}", f"{self._root}/{path}")
        )  # fmt: skip

    def _removed(self, name: str, path: str, there: os.stat_result | None) -> list[Step]:
        self.paths.add(path)
        if there is None:
            self.foreign.add(path)
            return []
        self._displaced(path, there)
        return [Step(name, "remove")]

    def _folder(self, path: str, found: os.stat_result, there: os.stat_result | None, depth: int) -> Step:
        name = path.rpartition("/")[2]
        self._open(path, found)
        if depth >= LANDING_DEPTH_MAX:
            self.deep = self.deep or path
            return Step(name, "merge")
        marks = self._marks(path)
        if there is not None and stat.S_ISDIR(there.st_mode) and _OPAQUE not in marks:
            self._compare(path, found, there)
            return Step(name, "merge", self._directory(path, depth + 1), found.st_mtime_ns)
        self._put(path, found, there)
        if there is None:
            self._folders.add(path)
        self._within(path, depth + 1)
        return Step(name, "move")

    def _put(self, path: str, found: os.stat_result, there: os.stat_result | None) -> None:
        """Note what stands in ``path`` of the upper directory, to take the place of what is ``there``."""
        self.paths.add(path)
        marks = self._marks(path) if not stat.S_ISLNK(found.st_mode) else ()
        if there is not None:
            self._displaced(path, there)
        elif _ORIGIN in marks and not stat.S_ISDIR(found.st_mode):
            # Copied up from a file that is gone.
            self._missing(path)

    def _missing(self, path: str) -> None:
        """Note a file without its original; a rename within the command leaves one as well.

        Only where the directory changed since the command began can somebody have deleted it.
        """
        parent = _stat(self._root, path.rpartition("/")[0])
        if parent is not None and parent.st_ctime_ns > self._started:
            self.foreign.add(path)

    def _displaced(self, path: str, there: os.stat_result) -> None:
        """Note what goes away at ``path``: it, and all that lies in it."""
        if there.st_ctime_ns > self._started:
            self.foreign.add(path)
        if not stat.S_ISDIR(there.st_mode):
            return
        waiting = [path]
        while waiting:
            folder = waiting.pop()
            for entry in _entries(self._root, folder):
                inner = f"{folder}/{entry.name}"
                self.paths.add(inner)
                found = entry.stat(follow_symlinks=False)
                if found.st_ctime_ns > self._started:
                    self.foreign.add(inner)
                if stat.S_ISDIR(found.st_mode):
                    waiting.append(inner)

    def _within(self, path: str, depth: int) -> None:
        """Note all that lies in a directory which comes whole from the upper side."""
        for entry in _entries(self._upper, path):
            inner = f"{path}/{entry.name}"
            found = entry.stat(follow_symlinks=False)
            mode = found.st_mode
            if stat.S_ISCHR(mode):
                self.void.append(inner)
                continue
            self.paths.add(inner)
            if not stat.S_ISLNK(mode):
                self._marks(inner)
            if not stat.S_ISDIR(mode):
                continue
            self._folders.add(inner)
            self._open(inner, found)
            if depth >= LANDING_DEPTH_MAX:
                self.deep = self.deep or inner
            else:
                self._within(inner, depth + 1)

    def _open(self, path: str, found: os.stat_result) -> None:
        """Let ourselves into a directory of the upper side; what it is to be like is noted."""
        mode = stat.S_IMODE(found.st_mode)
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            self.shut.append((path, mode))
            Path(self._upper, path).chmod(mode | stat.S_IRWXU)

    def _marks(self, path: str) -> tuple[str, ...]:
        names = [name for name in _names(self._upper, path) if name.startswith(MARK)]
        if not names:
            return ()
        own = tuple(_own(self._upper, path).items())
        kept = tuple((name, value) for name, value in own if name.startswith(MARK))
        self.marked[path] = Marked(path, tuple(names), kept)
        return tuple(names)


def _entries(top: str, path: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(f"{top}/{path}" if path else top) as entries:
        yield from sorted(entries, key=lambda entry: entry.name)


def _stat(top: str, path: str) -> os.stat_result | None:
    try:
        return os.lstat(f"{top}/{path}" if path else top)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _looks(found: os.stat_result) -> tuple[int, int, int]:
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid


def _above(paths: set[str]) -> set[str]:
    """Return every directory on the way to one of ``paths``."""
    found: set[str] = set()
    for path in paths:
        while "/" in path:
            path = path.rpartition("/")[0]  # noqa: PLW2901 - one step up at a time
            if path in found:
                break
            found.add(path)
    return found


def _same_content(one: str, other: str) -> bool:
    with Path(one).open("rb") as here, Path(other).open("rb") as there:
        while (piece := here.read(_PIECE_BYTES)) == there.read(_PIECE_BYTES):
            if not piece:
                return True
    return False


def _names(top: str, path: str) -> list[str]:
    try:
        return os.listxattr(f"{top}/{path}", follow_symlinks=False)
    except OSError:
        return []  # A file system without attributes has none of ours either.


def _attributes(top: str, path: str) -> dict[str, bytes]:
    whole = f"{top}/{path}"
    return {name: os.getxattr(whole, name, follow_symlinks=False) for name in _names(top, path)}


def _own(upper: str, path: str) -> dict[str, bytes]:
    """Return the attributes that a path of the upper directory has for programs."""
    found = _attributes(upper, path)
    seen = {name: value for name, value in found.items() if not name.startswith(MARK)}
    for name, value in found.items():
        if name.startswith(_ESCAPED):
            seen["user." + name.removeprefix(MARK)] = value
    return seen
