"""One pass over a workspace: from the nodes as last seen to the nodes as they are.

Invariants:
- Whatever changed since the pass before is found: names by their directory's marks, the rest by their own.
- Nothing is opened or entered through a link; nothing is read whose settled marks are the same.
- Directories are gone through in tree order. A pass that fails leaves the nodes it began with as they were.
"""

import os
import stat
from collections.abc import Iterable, Mapping
from operator import is_
from typing import Final, NamedTuple

from perdure.adapters.workspace.asking import LookedFor
from perdure.adapters.workspace.guard import STORE_NAME, is_store
from perdure.adapters.workspace.keeping import Keeper
from perdure.adapters.workspace.marks import Marks, settled
from perdure.adapters.workspace.nodes import Folder, Node, Sheet, entries_of, folder_of
from perdure.adapters.workspace.reading import Xattrs, enter, folder_xattrs, look, names_in
from perdure.adapters.workspace.rules import OTHER_FILE_SYSTEM, STORE_BELOW, TOO_DEEP
from perdure.adapters.workspace.sheets import Sheets, Spot
from perdure.checkpoint.tree import PART_PREFIX, Entry, decoded, directory_object
from perdure.values.errors import BadInput
from perdure.values.limits import WORKSPACE_DEPTH_MAX, WORKSPACE_FILES_MAX

_PART: Final = PART_PREFIX.encode()
_NONE: Final[frozenset[bytes]] = frozenset()
_EMPTY: Final[Mapping[bytes, Node]] = {}


class Here(NamedTuple):
    """A directory in a pass: open as ``fd``."""

    fd: int
    path: str
    name: bytes
    depth: int
    hot: frozenset[bytes]
    only: frozenset[bytes] | None
    """the names in it that can have changed; None for all"""


class Listed(NamedTuple):
    """What stands in a directory; ``moved`` if a name went while we looked."""

    below: Mapping[bytes, Node]
    aside: tuple[Entry, ...]
    moved: bool


class Scan:
    """A pass, for one use."""

    def __init__(self, asked: LookedFor, keeper: Keeper) -> None:
        """Keep what is found with ``keeper``."""
        self._asked: LookedFor = asked
        self._keeper: Keeper = keeper
        self._sheets: Sheets = Sheets(asked, keeper)
        self._files: int = 0
        self._torn: list[str] = []

    @property
    def torn(self) -> tuple[str, ...]:
        """Paths that changed while they were looked at, twice; the next pass looks again."""
        return tuple(sorted((*self._torn, *self._sheets.torn)))

    def top(self, fd: int, before: Folder | None) -> Folder | None:
        """Return the root, open as ``fd``, as it is now; None if it is a store."""
        top = self._folder(fd, "", b"", before, 0)
        self._check_count(top.files if top else 0)
        return top

    def _folder(self, fd: int, path: str, name: bytes, before: Folder | None, depth: int) -> Folder | None:
        """Return the directory as it is now, ``before`` itself if nothing changed, or None if it is a store."""
        asked = self._asked
        marks = asked.marks_of(os.fstat(fd))
        only = None if asked.only is None or before is None else asked.only.get(path, _NONE)
        here = Here(fd, path, name, depth, asked.hot.get(path, _NONE), only)
        if before is not None and before.calm and before.marks == marks and not asked.anew:
            seen = self._listed(here, before.below, before.below, before.aside)
            if not seen.moved:
                return self._built(here, before, marks, seen)
        below: Mapping[bytes, Node] = before.below if before else _EMPTY
        for last in (False, True):
            marks = asked.marks_of(os.fstat(fd))
            names = names_in(fd, path)
            if STORE_NAME in names and is_store(fd):
                return None
            seen = self._listed(here, names, below, None)
            moved = seen.moved or asked.marks_of(os.fstat(fd)) != marks
            if not moved:
                break
            below = seen.below
            if last:
                self._torn.append(path)
        self._files += sum(type(node) is Sheet for node in seen.below.values())
        self._check_count(self._files)
        return self._built(here, before, marks, seen)

    def _listed(
        self,
        here: Here,
        names: Iterable[bytes],
        old: Mapping[bytes, Node],
        aside: tuple[Entry, ...] | None,
    ) -> Listed:
        """Look at ``names``; ``aside`` is what else is there, if the names are known to be the same."""
        same = aside is not None
        left = list(aside or ())
        below: dict[bytes, Node] = {}
        moved = False
        for name in names:
            child = old.get(name)
            if child is not None and self._stays(here, name, child, same=same):
                below[name] = child
                continue
            made = self._name(here, name, child)
            if isinstance(made, Entry):
                left.append(made)
            elif made is not None:
                below[name] = made
            else:
                moved = moved or not name.startswith(_PART)
        return Listed(below, tuple(left), moved)

    def _stays(self, here: Here, name: bytes, child: Node, *, same: bool) -> bool:
        """Whether the node is as it was, by the quickest look that can tell."""
        possible = here.only is None or name in here.only
        if type(child) is not Sheet:
            return not possible and isinstance(child, Folder) and not child.restless
        if not child.steady:
            return False
        if not possible:
            return True
        if not same or name in here.hot:
            return False
        try:
            found = os.stat(name, dir_fd=here.fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return self._asked.marks_of(found) == child.marks

    def _name(self, here: Here, name: bytes, child: Node | None) -> Node | Entry | None:
        """Return what stands under ``name``: a node, the entry of what is left out, or None for nothing."""
        spelled = decoded(name)
        path = f"{here.path}/{spelled}" if here.path else spelled
        found = None if name.startswith(_PART) else look(here.fd, name, path)
        if found is None:
            return None
        is_folder = stat.S_ISDIR(found.st_mode)
        rule = self._asked.rules.left_out(here.path, spelled, is_folder=is_folder)
        if path in self._asked.mounts:
            rule = OTHER_FILE_SYSTEM
        elif is_folder and here.depth + 1 >= WORKSPACE_DEPTH_MAX:
            rule = TOO_DEEP
        if rule is not None:
            return Entry(name, "left", content=rule)
        if not is_folder:
            spot = Spot(here.fd, path, name, found, name in here.hot)
            return self._sheets.look(spot, child if isinstance(child, Sheet) else None)
        below = enter(here.fd, name)
        if below is None:
            return None
        try:
            before = child if isinstance(child, Folder) else None
            made = self._folder(below, path, name, before, here.depth + 1)
            return Entry(name, "left", content=STORE_BELOW) if made is None else made
        finally:
            os.close(below)

    def _built(self, here: Here, before: Folder | None, marks: Marks, seen: Listed) -> Folder:
        """Return the directory's node; its object is made anew only if an entry is another."""
        asked = self._asked
        calm = not seen.moved and settled(marks, asked.now, asked.grain)
        xattrs = self._xattrs(here, before, marks)
        if (
            before is not None
            and xattrs == before.entry.xattrs
            and _unchanged(before, marks, seen, calm=calm)
        ):
            return before
        entries = entries_of(seen.below, seen.aside)
        if before is not None and before.entries == entries:
            content, identity = before.entry.content, before.entry.identity
        else:
            made = directory_object(entries)
            self._keeper.object(made)
            content, identity = bytes.fromhex(made.name), made.identity
        entry = Entry(
            here.name,
            "dir",
            stat.S_IMODE(marks[0]),
            content=content,
            identity=identity,
            owner=(marks[5], marks[6]) if asked.owners else None,
            xattrs=xattrs,
        )
        return folder_of(marks, entry, seen.below, seen.aside, calm=calm)

    def _xattrs(self, here: Here, before: Folder | None, marks: Marks) -> Xattrs:
        if not self._asked.owners:
            return ()
        if before is not None and before.calm and before.marks == marks:
            return before.entry.xattrs
        return folder_xattrs(here.fd)

    def _check_count(self, files: int) -> None:
        if files > WORKSPACE_FILES_MAX:
            raise BadInput(
                f"the workspace has more than {WORKSPACE_FILES_MAX} files",
                hint="leave out what can be made again, by .perdureignore",
            )


def _unchanged(before: Folder, marks: Marks, seen: Listed, *, calm: bool) -> bool:
    return (
        marks == before.marks
        and calm == before.calm
        and seen.aside == before.aside
        and len(seen.below) == len(before.below)
        and all(map(is_, seen.below.values(), before.below.values()))
    )
