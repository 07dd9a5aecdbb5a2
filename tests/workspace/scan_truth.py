"""The truth about a directory, found the slow and plain way: read everything, remember nothing.

It shares no code with the scanner, and reads a recorded tree back into the same form.
"""

import os
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from perdure.adapters.workspace.marks import marks_of, settled
from perdure.checkpoint.tree import Entry, Fetch, encoded, read_recipe, walk


class Fact(NamedTuple):
    """What is so of one path."""

    kind: str
    mode: int
    content: bytes
    """of a file under the first of its names; the others have none of their own"""
    first: bytes
    """of a file: the first of its names in tree order"""
    owner: tuple[int, int]
    xattrs: tuple[tuple[bytes, bytes], ...] = ()


Facts = Mapping[bytes, Fact]


def truth(root: Path) -> Facts:
    """Return what is so below ``root``."""
    names: dict[tuple[int, int], bytes] = {}
    facts: dict[bytes, Fact] = {}
    for path in _below(root):
        found, name = path.lstat(), bytes(path.relative_to(root))
        mode, owner = stat.S_IMODE(found.st_mode), (found.st_uid, found.st_gid)
        if stat.S_ISLNK(found.st_mode):
            facts[name] = Fact("link", 0, bytes(path.readlink()), b"", owner)
        elif stat.S_ISDIR(found.st_mode):
            facts[name] = Fact("dir", mode, b"", b"", owner, _xattrs(path))
        elif stat.S_ISREG(found.st_mode):
            first = names.setdefault((found.st_dev, found.st_ino), name)
            content = path.read_bytes() if first == name else b""
            facts[name] = Fact("file", mode, content, first, owner, _xattrs(path))
        else:
            kind = "fifo" if stat.S_ISFIFO(found.st_mode) else "special"
            facts[name] = Fact(kind, mode, b"", b"", owner)
    return facts


def recorded(fetch: Fetch, tree: str) -> Facts:
    """Return what the tree says, secrets and what is left out apart."""
    facts: dict[bytes, Fact] = {}
    for path, entry in walk(fetch, tree):
        if not path or entry.kind in {"secret", "left"}:
            continue
        name, owner = encoded(path), entry.owner or (os.getuid(), os.getgid())
        if entry.kind == "hard":
            facts[name] = Fact("file", entry.mode, b"", entry.content, owner, entry.xattrs)
        else:
            first = name if entry.kind == "file" else b""
            facts[name] = Fact(entry.kind, entry.mode, _content(fetch, entry), first, owner, entry.xattrs)
    return facts


def differing(before: Facts, after: Facts) -> dict[str, str]:
    """Return which paths differ, and how."""
    found: dict[str, str] = {}
    for path in sorted(before.keys() | after.keys()):
        if before.get(path) != after.get(path):
            change = "created" if path not in before else "changed" if path in after else "deleted"
            found[path.decode("utf-8", "backslashreplace")] = change
    return found


def wait_until_settled(root: Path) -> None:
    """Return when no change from now on can have a stamp that something below has already."""
    newest = max((path.lstat() for path in (root, *_below(root))), key=lambda found: found.st_ctime_ns)
    while not settled(marks_of(newest), time.time_ns()):
        os.sched_yield()


def _below(folder: Path) -> Iterator[Path]:
    """Yield the paths below, in the order of their names' bytes."""
    for path in sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name)):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _below(path)


def _content(fetch: Fetch, entry: Entry) -> bytes:
    if entry.kind != "file":
        return entry.content if entry.kind == "link" else b""
    if not entry.recipe:
        return fetch(entry.content.hex())
    recipe = read_recipe(fetch(entry.content.hex()))
    content = bytearray(recipe.size)
    for piece in recipe.pieces:
        content[piece.start : piece.start + piece.size] = fetch(piece.blob.hex())
    return bytes(content)


def _xattrs(path: Path) -> tuple[tuple[bytes, bytes], ...]:
    if os.geteuid() != 0:
        return ()
    names = [name for name in os.listxattr(path) if name.startswith("user.")]
    return tuple(sorted((name.encode(), os.getxattr(path, name)) for name in names))
