"""The directories below a root, opened part by part, so that no symbolic link leads out of it.

Invariants:
- A directory is reached through the descriptor of the one above it, and never through a link, whatever was
  swapped in meanwhile; nothing here takes an absolute path but the root's.
- Nothing is opened for reading that could block or be noticed: files, FIFOs and devices are only looked at.
- A directory that its owner can't write into is opened up for the time being, and closed again by ``close``.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_DIRECTORY: Final = LOOK | os.O_DIRECTORY
_WRITE: Final = stat.S_IWUSR | stat.S_IXUSR


class Ground:
    """One root, while something is done below it. A context manager: leaving it closes all."""

    def __init__(self, root: Path) -> None:
        """Stand on ``root``; raises ``OSError`` where that is no directory."""
        self._root: int = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._chain: list[tuple[bytes, int]] = []
        self._opened_up: dict[str, int] = {}
        self._may_all: bool = os.geteuid() == 0

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, whatever happened."""
        self.close()

    def close(self) -> None:
        """Directories that were opened up have their mode again, and no descriptor is left open."""
        try:
            self.close_up()
        finally:
            self._cut(0)
            os.close(self._root)

    def at(self, directory: str) -> int:
        """Return the descriptor of ``directory``, which is good until the next call.

        Names can be made and removed in it. Raises ``OSError`` where it, or what is above it, is no directory.
        """
        return self._walk(directory, 0 if self._may_all else _WRITE)

    def of(self, path: str) -> tuple[int, bytes]:
        """Return the descriptor of the directory that holds ``path``, and the name in it."""
        directory, _, name = path.rpartition("/")
        return self.at(directory), os.fsencode(name)

    def look(self, path: str) -> os.stat_result | None:
        """Return what stands at ``path``, itself and not where it leads; None if nothing does."""
        if not path:
            return os.fstat(self._root)
        try:
            directory, _, name = path.rpartition("/")
            return os.stat(name, dir_fd=self._walk(directory, 0), follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def names(self, directory: str) -> Iterator[os.DirEntry[str]]:
        """Yield what stands in ``directory``."""
        handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.at(directory))
        try:
            with os.scandir(handle) as entries:
                yield from entries
        finally:
            os.close(handle)

    def forget(self, path: str) -> None:
        """``path`` is about to go: no descriptor of it is kept."""
        parts = os.fsencode(path).split(b"/")
        if [name for name, _ in self._chain[: len(parts)]] == parts:
            self._cut(len(parts) - 1)
        self._opened_up.pop(path, None)

    def settled(self, directory: str) -> None:
        """``directory`` has the mode that it is to keep."""
        self._opened_up.pop(directory, None)

    def close_up(self) -> None:
        """Directories that were opened up have their mode again, as far as they are still there."""
        for directory, mode in sorted(self._opened_up.items(), reverse=True):
            parent, name = directory.rpartition("/")[0], os.fsencode(directory.rpartition("/")[2])
            try:
                place = self._walk(parent, 0)
                handle = os.open(name or b".", _DIRECTORY, dir_fd=place)
            except OSError:
                continue
            os.chmod(through(handle), mode)  # noqa: PTH101 - by descriptor
            os.close(handle)
        self._opened_up.clear()

    @property
    def _last(self) -> int:
        return self._chain[-1][1] if self._chain else self._root

    def _walk(self, directory: str, needed: int) -> int:
        """Return the descriptor of ``directory``; ``needed`` are the bits of its mode without which it opens up."""
        parts = os.fsencode(directory).split(b"/") if directory else []
        common = 0
        while common < min(len(parts), len(self._chain)) and self._chain[common][0] == parts[common]:
            common += 1
        self._cut(common)
        for place, part in enumerate(parts[common:], common):
            if needed:
                self._open_up(os.fsdecode(b"/".join(parts[:place])), self._last, stat.S_IXUSR)
            self._chain.append((part, os.open(part, _DIRECTORY, dir_fd=self._last)))
        if needed:
            self._open_up(directory, self._last, needed)
        return self._last

    def _cut(self, length: int) -> None:
        while len(self._chain) > length:
            os.close(self._chain.pop()[1])

    def _open_up(self, directory: str, handle: int, needed: int) -> None:
        if directory in self._opened_up:
            return
        found = os.fstat(handle)
        mode = stat.S_IMODE(found.st_mode)
        if mode & needed != needed and found.st_uid == os.geteuid():
            os.chmod(through(handle), mode | stat.S_IRWXU)  # noqa: PTH101 - by descriptor
            self._opened_up[directory] = mode


def through(handle: int) -> str:
    """Return a path that means what ``handle`` is open on, however it was opened."""
    return f"/proc/self/fd/{handle}"
