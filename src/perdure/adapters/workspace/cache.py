"""The marks of a workspace, saved: after a restart, what did not change need not be read.

Invariants:
- A cache says only what a pass has seen; it can be deleted at any time without loss.
- One that is damaged, of another directory, of other settings, or whose tree the store lacks, is no cache.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from perdure.adapters.workspace.marks import Marks
from perdure.adapters.workspace.nodes import Folder, Node, Sheet, folder_of
from perdure.checkpoint.tree import Entry, root_object
from perdure.log.port import BlobStore
from perdure.values.digest import digest

_FORM: Final = 1
_SEAL_BYTES: Final = 32


class SavedSheet(msgspec.Struct, frozen=True, array_like=True):
    """A sheet; ``entry`` only where it is another than ``body``."""

    marks: Marks
    body: Entry
    calm: bool
    steady: bool
    entry: Entry | None = None


class SavedFolder(msgspec.Struct, frozen=True, array_like=True):
    """A directory with what is below it."""

    marks: Marks
    calm: bool
    entry: Entry
    sheets: tuple[SavedSheet, ...]
    folders: "tuple[SavedFolder, ...]"
    aside: tuple[Entry, ...]


class Saved(msgspec.Struct, frozen=True, array_like=True):
    """What a cache file holds."""

    form: int
    root: bytes
    device: int
    inode: int
    owners: bool
    secrets: tuple[str, ...]
    top: SavedFolder


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Saved).decode


class Cache:
    """The cache file of one workspace."""

    def __init__(self, file: Path, root: Path, *, owners: bool, secrets: Sequence[str]) -> None:
        """Keep the marks of ``root`` in ``file``."""
        self._file: Path = file
        self._root: Path = root
        self._owners: bool = owners
        self._secrets: tuple[str, ...] = tuple(secrets)

    def load(self, store: BlobStore) -> Folder | None:
        """Return the directory as it was saved, or None."""
        try:
            stored = self._file.read_bytes()
            found = self._root.stat()
        except OSError:
            return None
        sealed, content = stored[:_SEAL_BYTES], stored[_SEAL_BYTES:]
        if bytes.fromhex(digest(content)) != sealed:
            return None
        try:
            saved = _decode(content)
        except msgspec.DecodeError:
            return None
        if saved != self._saved(saved.top, found):
            return None
        top = _folder(saved.top)
        # Its root was the last of its objects to be stored: if it is there, so are the others.
        return top if store.has(root_object(top.entry, owners=self._owners).name) else None

    def save(self, top: Folder) -> None:
        """The directory is saved, if that is possible."""
        fresh = self._file.with_name(f"{self._file.name}.{os.getpid()}.new")
        with suppress(OSError):
            content = _encode(self._saved(_saved(top), self._root.stat()))
            fresh.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(bytes.fromhex(digest(content)) + content)
            fresh.replace(self._file)

    def _saved(self, top: SavedFolder, found: os.stat_result) -> Saved:
        root = bytes(self._root)
        return Saved(_FORM, root, found.st_dev, found.st_ino, self._owners, self._secrets, top)


def _saved(folder: Folder) -> SavedFolder:
    sheets = tuple(
        SavedSheet(
            node.marks, node.body, node.calm, node.steady, None if node.entry == node.body else node.entry
        )
        for node in folder.below.values()
        if isinstance(node, Sheet)
    )
    folders = tuple(_saved(node) for node in folder.below.values() if isinstance(node, Folder))
    return SavedFolder(folder.marks, folder.calm, folder.entry, sheets, folders, folder.aside)


def _folder(saved: SavedFolder) -> Folder:
    nodes: list[Node] = [
        Sheet(sheet.marks, sheet.entry or sheet.body, sheet.body, sheet.calm, sheet.steady)
        for sheet in saved.sheets
    ]
    nodes.extend(_folder(folder) for folder in saved.folders)
    nodes.sort(key=lambda node: node.entry.name)
    below = {node.entry.name: node for node in nodes}
    return folder_of(saved.marks, saved.entry, below, saved.aside, calm=saved.calm)
