"""What stands under a name that is no directory: read, kept, and told from what stood there before.

Invariants:
- Settled marks that are the same mean the same content; then nothing is opened.
- Of names for one content, the first in tree order holds it and the others name it; so names have to be
  looked at in tree order.
"""

import errno
import os
import stat
from typing import NamedTuple

from msgspec.structs import replace

from perdure.adapters.workspace.asking import LookedFor
from perdure.adapters.workspace.content import Kept, digest_file, keep_file, read_up_to
from perdure.adapters.workspace.gitindex import is_index
from perdure.adapters.workspace.keeping import Keeper
from perdure.adapters.workspace.marks import LINKS, settled
from perdure.adapters.workspace.nodes import Sheet
from perdure.adapters.workspace.reading import read_steadily
from perdure.adapters.workspace.rules import SECRET_LOOK_BYTES
from perdure.checkpoint.tree import Entry, decoded, encoded


class Spot(NamedTuple):
    """A name in an open directory, and what the system says of it."""

    folder: int
    path: str
    name: bytes
    found: os.stat_result
    hot: bool = False


class Taken(NamedTuple):
    """A sheet's entry, the status that belongs to it, and whether it changed while it was read."""

    found: os.stat_result
    entry: Entry
    torn: bool = False


class Sheets:
    """Looks at sheets in one pass."""

    def __init__(self, asked: LookedFor, keeper: Keeper) -> None:
        """Keep contents with ``keeper``."""
        self._asked: LookedFor = asked
        self._keeper: Keeper = keeper
        self._first: dict[tuple[int, int], tuple[str, Sheet]] = {}
        self.torn: list[str] = []

    def look(self, spot: Spot, before: Sheet | None) -> Sheet | None:
        """Return the sheet as it is now, ``before`` itself if nothing changed, or None if it is gone."""
        found = spot.found
        if (
            before is not None
            and before.calm
            and not spot.hot
            and before.marks == self._asked.marks_of(found)
        ):
            sheet = before
        else:
            taken = self._taken(spot, before)
            if taken is None:
                return None
            sheet = self._sheet(spot, taken, before)
        linked = stat.S_ISREG(found.st_mode) and found.st_nlink > 1
        entry = self._linked((found.st_dev, found.st_ino), spot.path, sheet) if linked else sheet.body
        if entry != sheet.entry:
            sheet = replace(sheet, entry=entry)
        return before if sheet == before else sheet

    def _sheet(self, spot: Spot, taken: Taken, before: Sheet | None) -> Sheet:
        found, entry, torn = taken
        marks = self._asked.marks_of(found)
        if torn:
            self.torn.append(spot.path)
        # The page of a file that is mapped can change without a mark, and be written when it is mapped no more.
        calm = not torn and not spot.hot and settled(marks, self._asked.now, self._asked.grain)
        body = before.body if before is not None and before.body == entry else entry
        single = not stat.S_ISREG(found.st_mode) or marks[LINKS] == 1
        return Sheet(marks, body, body, calm=calm, steady=calm and single)

    def _taken(self, spot: Spot, before: Sheet | None) -> Taken | None:
        found, name, owner = spot.found, spot.name, self._owner(spot.found)
        match stat.S_IFMT(found.st_mode):
            case stat.S_IFREG:
                return self._twin(spot) or self._file(spot, before)
            case stat.S_IFLNK:
                try:
                    target = os.readlink(name, dir_fd=spot.folder)
                except OSError as error:
                    if error.errno in {errno.ENOENT, errno.EINVAL}:
                        return None
                    raise
                return Taken(found, Entry(name, "link", content=target, owner=owner))
            case kind:
                what = "fifo" if kind == stat.S_IFIFO else "special"
                return Taken(found, Entry(name, what, stat.S_IMODE(found.st_mode), owner=owner))

    def _twin(self, spot: Spot) -> Taken | None:
        """Return what another name of the same file has shown in this pass."""
        _, sheet = self._first.get((spot.found.st_dev, spot.found.st_ino), ("", None))
        if sheet is None or not sheet.calm or sheet.body.kind != "file":
            return None
        if sheet.marks != self._asked.marks_of(spot.found) or self._asked.rules.secret_by_name(
            decoded(spot.name)
        ):
            return None
        return Taken(spot.found, replace(sheet.body, name=spot.name))

    def _file(self, spot: Spot, before: Sheet | None) -> Taken | None:
        secret, index = False, b""

        def take(file: int) -> Kept:
            nonlocal secret, index
            secret = self._is_secret(spot.name, file)
            if secret:
                return digest_file(file)
            if spot.name == b"index" and is_index(spot.path):
                index = read_up_to(file, os.fstat(file).st_size)
            return keep_file(file, self._keeper)

        read = read_steadily(spot.folder, spot.name, spot.path, self._asked.marks_of, take)
        if read is None:
            return None
        found, body = read.found, read.body
        entry = Entry(
            spot.name,
            "secret" if secret else "file",
            stat.S_IMODE(found.st_mode),
            body.size,
            found.st_mtime_ns,
            body.content,
            body.recipe,
            owner=self._owner(found),
            xattrs=read.xattrs if self._asked.owners else (),
        )
        if index:
            entry = self._asked.settle_index(spot.path, entry, index, before)
        return Taken(found, entry, read.torn)

    def _is_secret(self, name: bytes, file: int) -> bool:
        spelled = decoded(name)
        if self._asked.rules.secret_by_name(spelled):
            return True
        words = self._asked.rules.secret_by_content(spelled)
        content = read_up_to(file, SECRET_LOOK_BYTES) if words else b""
        return any(word in content for word in words)

    def _linked(self, key: tuple[int, int], path: str, sheet: Sheet) -> Entry:
        """Return the entry of a name whose file may have other names."""
        first, holder = self._first.setdefault(key, (path, sheet))
        body = sheet.body
        if first == path or body.kind != "file" or holder.body.kind != "file":
            return body
        return replace(body, kind="hard", content=encoded(first), recipe=False)

    def _owner(self, found: os.stat_result) -> tuple[int, int] | None:
        return (found.st_uid, found.st_gid) if self._asked.owners else None
