"""A directory as a tree of content: recorded before a deed in it, and put back if that is in doubt.

Invariants:
- A tree names every directory, file and symbolic link below the root with its mode; equal
  directories have equal trees.
- Nothing is written into the directory but what a tree holds; FIFOs, sockets and devices are
  neither opened nor removed.

This is the portable rung: it needs no privileges, and reads each file whose size, times or inode
changed since it was last read.
"""

import asyncio
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from perdure.values.digest import digest
from perdure.values.errors import BadInput
from perdure.values.limits import WORKSPACE_FILES_MAX

_PART: Final = ".perdure-part"


class Node(msgspec.Struct, frozen=True, array_like=True):
    """One path of a tree. ``content`` is a blob's digest, or a link's target."""

    path: str
    kind: str
    mode: int
    content: str = ""


class Recorded(NamedTuple):
    """The workspace as recorded: the tree's digest, how many files, and what must be stored."""

    tree: str
    files: int
    blobs: tuple[tuple[str, bytes], ...]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[Node]).decode

Fetch = Callable[[str], bytes]


class DirectoryWorkspace:
    """The workspace below ``root``; ``fetch`` returns stored blobs."""

    def __init__(self, root: Path, fetch: Fetch) -> None:
        """Serve ``root``, which has to be a directory that isn't the file system's or a home's root."""
        self._root: Path = root.resolve()
        self._fetch: Fetch = fetch
        self._seen: dict[str, tuple[tuple[int, ...], str]] = {}
        if self._root in (Path("/"), Path.home()):
            raise BadInput(
                f"workspace {root}: this is more than an agent's workspace",
                hint="give the agent a directory of its own",
            )
        if not self._root.is_dir():
            raise BadInput(f"workspace {root}: no such directory", hint="make it first")

    async def record(self, known: str) -> Recorded:
        """Return the tree of the directory, with the contents that may be new."""
        del known
        return await asyncio.to_thread(self._record)

    async def restore(self, tree: str) -> tuple[int, int]:
        """Make the directory that tree; return how many paths were written and deleted."""
        return await asyncio.to_thread(self._restore, tree)

    def _record(self) -> Recorded:
        blobs: dict[str, bytes] = {}
        nodes = sorted(self._nodes(blobs), key=lambda node: node.path)
        stored = _encode(nodes)
        tree = digest(stored)
        blobs[tree] = stored
        files = sum(node.kind == "file" for node in nodes)
        return Recorded(tree, files, tuple(blobs.items()))

    def _nodes(self, blobs: dict[str, bytes]) -> Iterator[Node]:
        count = 0
        for entry in _walk(self._root):
            path = str(Path(entry.path).relative_to(self._root))
            found = entry.stat(follow_symlinks=False)
            mode = stat.S_IMODE(found.st_mode)
            if stat.S_ISLNK(found.st_mode):
                yield Node(path, "link", 0, str(Path(entry.path).readlink()))
            elif stat.S_ISDIR(found.st_mode):
                yield Node(path, "directory", mode)
            elif stat.S_ISREG(found.st_mode):
                count += 1
                if count > WORKSPACE_FILES_MAX:
                    raise OSError(f"more than {WORKSPACE_FILES_MAX} files in {self._root}")
                yield Node(path, "file", mode, self._content(path, found, blobs))

    def _content(self, path: str, found: os.stat_result, blobs: dict[str, bytes]) -> str:
        marks = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        seen = self._seen.get(path)
        if seen is not None and seen[0] == marks:
            return seen[1]
        content = (self._root / path).read_bytes()
        name = digest(content)
        blobs[name] = content
        self._seen[path] = marks, name
        return name

    def _restore(self, tree: str) -> tuple[int, int]:
        wanted = {node.path: node for node in _decode(self._fetch(tree))}
        present = {node.path: node for node in self._nodes({})}
        gone = [path for path in present if _in_the_way(present[path], wanted.get(path))]
        for path in sorted(gone, reverse=True):
            self._remove(present[path])
        written = 0
        for path in sorted(wanted):
            if path in gone or present.get(path) != wanted[path]:
                self._write(wanted[path])
                written += 1
        self._seen.clear()
        return written, len(gone)

    def _remove(self, node: Node) -> None:
        path = self._root / node.path
        if node.kind == "directory":
            path.rmdir()
        else:
            path.unlink()

    def _write(self, node: Node) -> None:
        path = self._root / node.path
        match node.kind:
            case "directory":
                path.mkdir(exist_ok=True)
                path.chmod(node.mode)
            case "link":
                path.symlink_to(node.content)
            case _:
                part = path.with_name(path.name + _PART)
                part.write_bytes(self._fetch(node.content))
                part.chmod(node.mode)
                part.replace(path)


def _in_the_way(present: Node, wanted: Node | None) -> bool:
    """Whether what stands there has to go: nothing is wanted there, or another kind, or another link."""
    if wanted is None or present.kind != wanted.kind:
        return True
    return present.kind == "link" and present != wanted


def _walk(root: Path) -> Iterator[os.DirEntry[str]]:
    waiting = [root]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
