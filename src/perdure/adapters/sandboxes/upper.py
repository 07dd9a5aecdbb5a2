"""What a command changed, read from the upper directory of its overlay.

Invariants:
- The upper directory holds exactly what was created, changed and deleted; nothing else is looked at,
  so the cost goes by the change, not by the workspace.
- The workspace is only read: a plan says what would be done, and whether it may be. A directory that
  its owner may not enter is opened for that time, and no longer.
- No symbolic link is followed, neither in the upper directory nor in the workspace.

The kernel's spelling: a character device 0/0 is a deletion; a directory marked ``opaque`` replaces the
one below it, any other directory adds to it.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal, NamedTuple

from perdure.adapters.sandboxes.sides import (
    MARK,
    attributes,
    entries,
    looks,
    owner_rights,
    program_attributes,
    same_content,
    stat_of,
)
from perdure.values.limits import LANDING_DEPTH_MAX

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


class NetChange(NamedTuple):
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
    """what its owner may not read or change, with the mode it gets in the end"""
    deep: str = ""
    """a path that is nested deeper than perdure goes"""


def read_change(upper: Path, root: Path, allows: Allows | None, started: int) -> NetChange:
    """Return what landing ``upper`` in ``root`` would do.

    ``started`` is the file system's time before the command began, in ns: what changed later in the
    workspace itself was somebody else's doing.
    """
    reader = _Reader(str(upper), str(root), started)
    try:
        reader.whole()
    finally:
        reader.leave()
    return NetChange(
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
        self._entered: list[tuple[str, int]] = []
        self._changed: dict[str, int] = {}  # when a directory changed last, before we let ourselves in
        self.deep: str = ""

    def whole(self) -> None:
        """Read all of the upper directory."""
        found, there = os.lstat(self._upper), os.lstat(self._root)
        self._open("", found)
        self._enter("", there)
        self._compare("", found, there)
        self._marks("")
        self.steps = self._directory("", 0)

    def leave(self) -> None:
        """Shut the directories of the workspace that were opened to be read."""
        for path, mode in reversed(self._entered):
            Path(self._root, path).chmod(mode)

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
        if looks(found) != looks(there) or self._own(path) != attributes(self._root, path):
            self.paths.add(path or ".")
        elif found.st_mtime_ns != there.st_mtime_ns:
            self.paths.add(path or ".")
            self._aged.add(path or ".")

    def _directory(self, path: str, depth: int) -> tuple[Step, ...]:
        """Return the steps for what the upper directory has in ``path``, which both sides have."""
        steps: list[Step] = []
        for entry in entries(self._upper, path):
            inner = f"{path}/{entry.name}" if path else entry.name
            found = entry.stat(follow_symlinks=False)
            there = stat_of(self._root, inner)
            if stat.S_ISCHR(found.st_mode):
                steps += self._removed(entry.name, inner, there)
            elif stat.S_ISDIR(found.st_mode):
                steps.append(self._folder(inner, found, there, depth))
            else:
                steps += self._file(inner, found, there)
        return tuple(steps)

    def _file(self, path: str, found: os.stat_result, there: os.stat_result | None) -> list[Step]:
        opened = self._open(path, found)
        if self._untouched(path, found, there):
            del self.shut[len(self.shut) - opened :]
            return []
        self._put(path, found, there)
        return [Step(path.rpartition("/")[2], "move")]

    def _untouched(self, path: str, found: os.stat_result, there: os.stat_result | None) -> bool:
        """Whether a file was only opened to be written: the overlay copies it then, whatever follows."""
        return (
            there is not None
            and stat.S_ISREG(found.st_mode) and stat.S_ISREG(there.st_mode)
            and found.st_nlink == there.st_nlink == 1
            and (found.st_size, found.st_mtime_ns) == (there.st_size, there.st_mtime_ns)
            and looks(found) == looks(there)
            and self._own(path) == attributes(self._root, path)
            and same_content(f"{self._upper}/{path}", f"{self._root}/{path}")
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
            self._enter(path, there)
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
        marks = self._marks(path)
        if there is not None:
            self._displaced(path, there)
        elif _ORIGIN in marks and not stat.S_ISDIR(found.st_mode):
            # Copied up from a file that is gone.
            self._missing(path)

    def _missing(self, path: str) -> None:
        """Note a file without its original; a rename within the command leaves one as well.

        Only where the directory changed since the command began can somebody have deleted it.
        """
        folder = path.rpartition("/")[0]
        parent = stat_of(self._root, folder)
        if parent is not None and self._changed.get(folder, parent.st_ctime_ns) > self._started:
            self.foreign.add(path)

    def _displaced(self, path: str, there: os.stat_result) -> None:
        """Note what goes away at ``path``: it, and all that lies in it."""
        if there.st_ctime_ns > self._started:
            self.foreign.add(path)
        if not stat.S_ISDIR(there.st_mode):
            return
        self._enter(path, there)
        waiting = [path]
        while waiting:
            folder = waiting.pop()
            for entry in entries(self._root, folder):
                inner = f"{folder}/{entry.name}"
                self.paths.add(inner)
                found = entry.stat(follow_symlinks=False)
                if found.st_ctime_ns > self._started:
                    self.foreign.add(inner)
                if stat.S_ISDIR(found.st_mode):
                    self._enter(inner, found)
                    waiting.append(inner)

    def _within(self, path: str, depth: int) -> None:
        """Note all that lies in a directory which comes whole from the upper side."""
        for entry in entries(self._upper, path):
            inner = f"{path}/{entry.name}"
            found = entry.stat(follow_symlinks=False)
            mode = found.st_mode
            if stat.S_ISCHR(mode):
                self.void.append(inner)
                continue
            self.paths.add(inner)
            self._open(inner, found)
            self._marks(inner)
            if not stat.S_ISDIR(mode):
                continue
            self._folders.add(inner)
            if depth >= LANDING_DEPTH_MAX:
                self.deep = self.deep or inner
            else:
                self._within(inner, depth + 1)

    def _open(self, path: str, found: os.stat_result) -> bool:
        """Let ourselves into a path of the upper side; what it is to be like is noted, and told."""
        mode, needed = stat.S_IMODE(found.st_mode), owner_rights(found)
        if mode & needed == needed:
            return False
        self.shut.append((path, mode))
        Path(self._upper, path).chmod(mode | needed)
        return True

    def _enter(self, path: str, there: os.stat_result) -> None:
        """Let ourselves into a directory of the workspace until ``leave``."""
        mode = stat.S_IMODE(there.st_mode)
        if mode & stat.S_IRWXU != stat.S_IRWXU:
            self._entered.append((path, mode))
            self._changed[path] = there.st_ctime_ns
            Path(self._root, path).chmod(mode | stat.S_IRWXU)

    def _own(self, path: str) -> dict[str, bytes]:
        return program_attributes(attributes(self._upper, path))

    def _marks(self, path: str) -> tuple[str, ...]:
        """Note the overlay's marks on a path of the upper side, and return their names."""
        found = attributes(self._upper, path)
        marks = tuple(name for name in found if name.startswith(MARK))
        if marks:
            own = program_attributes(found)
            self.marked[path] = Marked(
                path, marks, tuple((name, own[name]) for name in own if name.startswith(MARK))
            )
        return marks


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
