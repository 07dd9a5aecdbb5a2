"""What this machine has read of an object store, kept in a directory up to a bound.

Objects never change, so a part that was read once is right for ever.

Invariants:
- A file holds the digest of its content before the content; one that doesn't fit is removed and read anew.
- Files are made under another name and renamed: a crash leaves no half of one under its own name.
- Anything may be deleted at any time, by anybody; a cache that can't be written is none.
- Each process takes away what was used least recently once it has written a sixteenth of the bound; so P processes
  on one directory pass the bound by P sixteenths at most.
"""

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple
from uuid import uuid4

from perdure.log.port import ObjectStore

SHARE: Final = 16
"""A look at all files each so-and-so-many parts of the bound written: rare, and the bound still holds well."""

_DIGEST: Final = hashlib.sha256().digest_size


class _File(NamedTuple):
    used: int
    size: int
    path: Path


class CachedObjects:
    """``log.port.ObjectStore`` that reads what it has read before from ``directory``."""

    def __init__(self, inner: ObjectStore, directory: Path, bytes_max: int) -> None:
        """Stand before ``inner``; at most ``bytes_max`` are kept."""
        self._inner = inner
        self._directory = directory
        self._bytes_max = bytes_max
        self._guard = threading.Lock()
        # The first write looks at what an earlier process left.
        self._written = bytes_max

    def put(self, name: str, content: bytes) -> bool:
        """As the object store does; what was written is not kept here, since few read what they wrote."""
        return self._inner.put(name, content)

    def get(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """Return bytes of the object, from here if they are here and whole."""
        path = self._path(name, start, size)
        kept = self._kept(path)
        if kept is not None:
            return kept
        content = self._inner.get(name, start, size)
        # Where nothing can be written, as on a full disk, there is no cache.
        with suppress(OSError):
            self._keep(path, content)
        return content

    def names(self, prefix: str, after: str = "") -> Sequence[tuple[str, int]]:
        """As the object store does."""
        return self._inner.names(prefix, after)

    def delete(self, names: Sequence[str]) -> None:
        """The objects are gone there; nobody asks for what is kept of them here."""
        self._inner.delete(names)

    def check(self) -> None:
        """As the object store does."""
        self._inner.check()

    def _path(self, name: str, start: int, size: int | None) -> Path:
        word = hashlib.sha256(f"{name}\n{start}\n{size}".encode()).hexdigest()
        return self._directory / word[:2] / word

    def _kept(self, path: Path) -> bytes | None:
        try:
            held = path.read_bytes()
        except OSError:
            return None
        if not self._whole(held):
            path.unlink(missing_ok=True)
            return None
        with suppress(OSError):
            os.utime(path)
        return held[_DIGEST:]

    def _whole(self, held: bytes) -> bool:
        return hashlib.sha256(memoryview(held)[_DIGEST:]).digest() == held[:_DIGEST]

    def _keep(self, path: Path, content: bytes) -> None:
        size = len(content) + _DIGEST
        if size > self._bytes_max // SHARE:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{uuid4().hex}.new")
        try:
            with fresh.open("wb") as file:
                file.write(hashlib.sha256(content).digest())
                file.write(content)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)
        with self._guard:
            self._written += size
            if self._written <= self._bytes_max // SHARE:
                return
            self._written = 0
        self._make_room()

    def _make_room(self) -> None:
        found = sorted(self._files())
        held = sum(file.size for file in found)
        for file in found:
            if held <= self._bytes_max - 2 * (self._bytes_max // SHARE):
                return
            file.path.unlink(missing_ok=True)
            held -= file.size

    def _files(self) -> Iterator[_File]:
        for directory in self._directory.glob("??"):
            for path in directory.iterdir():
                # Another process may have taken it away.
                with suppress(OSError):
                    state = path.stat()
                    yield _File(state.st_mtime_ns, state.st_size, path)
