"""A recorder and a writer of directories that share nothing with the real ones: slow, short, by path."""

import os
import stat
from pathlib import Path

from perdure.checkpoint.tree import (
    PART_PREFIX,
    Entry,
    Piece,
    Recipe,
    decoded,
    directory_object,
    encoded,
    recipe_object,
    root_object,
)
from perdure.values.digest import digest
from tests.checkpoint.disk import Inode, Recorded

PIECE = 64 * 1024
"""Files larger than this are recorded as recipes of pieces of this size, holes left out."""


def recorded(root: Path, *, owners: bool = False) -> Recorded:
    """Return the tree of ``root``."""
    return _Recorder(owners).run(root)


def laid(top: Inode, root: Path, seen: dict[int, Path] | None = None) -> None:
    """``root`` is a new directory that holds what ``top`` does."""
    seen = {} if seen is None else seen
    root.mkdir()
    for name, node in sorted(top.names.items()):
        path = root / os.fsdecode(name)
        if id(node) in seen:
            path.hardlink_to(seen[id(node)])
            continue
        seen[id(node)] = path
        match node.kind:
            case "dir":
                laid(node, path, seen)
            case "link":
                path.symlink_to(os.fsdecode(node.content))
            case "fifo":
                os.mkfifo(path)
                path.chmod(node.mode)
            case _:
                path.write_bytes(node.content)
                path.chmod(node.mode)
                os.utime(path, ns=(node.mtime, node.mtime))
    root.chmod(top.mode)


class _Recorder:
    def __init__(self, owners: bool) -> None:
        self.owners = owners
        self.objects: dict[str, bytes] = {}
        self.seen: dict[tuple[int, int], str] = {}

    def run(self, root: Path) -> Recorded:
        top = self.directory(root, b"", "")
        made = root_object(top, owners=self.owners)
        self.objects[made.name] = made.stored
        return Recorded(made.name, self.objects, made.identity)

    def directory(self, place: Path, name: bytes, path: str) -> Entry:
        entries = [
            self.entry(place / os.fsdecode(each), each, f"{path}/{decoded(each)}" if path else decoded(each))
            for each in sorted(os.fsencode(below.name) for below in place.iterdir())
            if not each.startswith(PART_PREFIX.encode())
        ]
        made = directory_object(tuple(entries))
        self.objects[made.name] = made.stored
        return Entry(
            name,
            "dir",
            stat.S_IMODE(place.stat().st_mode),
            content=bytes.fromhex(made.name),
            identity=made.identity,
            owner=self.owner(place.lstat()),
            xattrs=self.xattrs(place),
        )

    def entry(self, place: Path, name: bytes, path: str) -> Entry:
        found = place.lstat()
        mode, owner = stat.S_IMODE(found.st_mode), self.owner(found)
        if stat.S_ISDIR(found.st_mode):
            return self.directory(place, name, path)
        if stat.S_ISLNK(found.st_mode):
            return Entry(name, "link", mode, content=os.fsencode(place.readlink()), owner=owner)
        if stat.S_ISFIFO(found.st_mode):
            return Entry(name, "fifo", mode, owner=owner)
        if not stat.S_ISREG(found.st_mode):
            return Entry(name, "special", mode, owner=owner)
        first = self.seen.setdefault((found.st_dev, found.st_ino), path)
        if first != path:
            return Entry(name, "hard", mode, found.st_size, content=encoded(first))
        large = found.st_size > PIECE
        held = self.recipe(place, found.st_size) if large else self.stored(place.read_bytes())
        return Entry(
            name,
            "file",
            mode,
            found.st_size,
            found.st_mtime_ns,
            bytes.fromhex(held),
            large,
            owner=owner,
            xattrs=self.xattrs(place),
        )

    def recipe(self, place: Path, size: int) -> str:
        pieces: list[Piece] = []
        with place.open("rb") as file:
            for start in range(0, size, PIECE):
                part = file.read(PIECE)
                if any(part):
                    pieces.append(Piece(start, len(part), bytes.fromhex(self.stored(part))))
        made = recipe_object(Recipe(size, tuple(pieces)))
        self.objects[made.name] = made.stored
        return made.name

    def stored(self, content: bytes) -> str:
        self.objects[digest(content)] = content
        return digest(content)

    def owner(self, found: os.stat_result) -> tuple[int, int] | None:
        return (found.st_uid, found.st_gid) if self.owners else None

    def xattrs(self, place: Path) -> tuple[tuple[bytes, bytes], ...]:
        if not self.owners:
            return ()
        return tuple(sorted((os.fsencode(name), os.getxattr(place, name)) for name in os.listxattr(place)))
