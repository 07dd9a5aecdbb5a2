"""A directory copied for a fork by the cheapest means: sharing blocks where the file system can.

Invariants:
- The source is only read; its access times stay where that is permitted, and nothing in it that could block or
  be noticed is opened.
- The copy has another name until it is whole, so what a crash leaves is never taken for a fork's directory.
"""

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple

from perdure.adapters.workspace.export import refuse_taken
from perdure.checkpoint.tree import PART_PREFIX, spelled
from perdure.values.errors import BadInput

_FICLONE: Final = 0x40049409
_UNABLE: Final = (errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EPERM)
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_COPY_BYTES: Final = 64 * 1024 * 1024

How = Literal["reflink", "copy"]


class Cloned(NamedTuple):
    """How the files were copied: 'reflink' if every one shares its blocks with the source."""

    how: How
    files: int
    notes: tuple[str, ...] = ()


def clone(source: Path, target: Path) -> Cloned:
    """``target`` is a new directory like ``source``: content, holes, modes, times, links, hard links.

    As root also owners and extended attributes. Sockets and devices are left out, and said. Raises ``BadInput``
    (P107) where something is at ``target`` already or one lies in the other; ``OSError`` where it can't be done.
    """
    refuse_taken(target)
    first, second = source.resolve(), target.resolve()
    if first == second or first in second.parents or second in first.parents:
        raise BadInput(f"{target}: lies in what is copied, or around it", hint="choose a path beside it")
    part = target.parent / (PART_PREFIX + target.name)
    shutil.rmtree(part, ignore_errors=True)
    cloning = _Cloning()
    cloning.directory(source, part)
    if target.exists():
        target.rmdir()
    part.rename(target)
    return Cloned("reflink" if cloning.reflink else "copy", cloning.files, tuple(cloning.notes))


class _Cloning:
    """One copy under way; ``reflink`` is true until a file had to be copied."""

    def __init__(self) -> None:
        self.reflink: bool = True
        self.files: int = 0
        self.notes: list[str] = []
        self._seen: dict[tuple[int, int], Path] = {}
        self._root: bool = os.geteuid() == 0

    def directory(self, source: Path, target: Path) -> None:
        target.mkdir(0o700)
        for below in sorted(source.iterdir()):
            if not below.name.startswith(PART_PREFIX):
                self._entry(below, target / below.name)
        self._attributes(source, target, source.lstat())

    def _entry(self, source: Path, target: Path) -> None:
        found = source.lstat()
        kind = stat.S_IFMT(found.st_mode)
        key = found.st_dev, found.st_ino
        if kind == stat.S_IFDIR:
            self.directory(source, target)
            return
        if found.st_nlink > 1 and key in self._seen:
            os.link(self._seen[key], target, follow_symlinks=False)
            self.files += 1
            return
        match kind:
            case stat.S_IFREG:
                self._file(source, target, found)
            case stat.S_IFLNK:
                target.symlink_to(source.readlink())
            case stat.S_IFIFO:
                os.mkfifo(target, 0o600)
            case _:
                self.notes.append(f"{spelled(str(source))}: a socket or device, not copied")
                return
        self.files += 1
        self._seen[key] = target
        self._attributes(source, target, found)

    def _file(self, source: Path, target: Path, found: os.stat_result) -> None:
        reading = _open_quietly(source)
        writing = os.open(target, _CREATE, 0o600)
        try:
            if found.st_size and not (self.reflink and _shared(reading, writing)):
                self.reflink = False
                _copy(reading, writing, found.st_size)
        finally:
            os.close(reading)
            os.close(writing)

    def _attributes(self, source: Path, target: Path, found: os.stat_result) -> None:
        is_link = stat.S_ISLNK(found.st_mode)
        if self._root:
            os.chown(target, found.st_uid, found.st_gid, follow_symlinks=False)
        if not is_link:
            target.chmod(stat.S_IMODE(found.st_mode))
        if self._root and not is_link:
            for name in os.listxattr(source, follow_symlinks=False):
                _put_xattr(target, name, os.getxattr(source, name, follow_symlinks=False))
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns), follow_symlinks=False)


def _open_quietly(source: Path) -> int:
    """Return ``source`` open for reading, without a trace of it where that is permitted."""
    try:
        return os.open(source, _READ | os.O_NOATIME)
    except PermissionError:
        return os.open(source, _READ)


def _put_xattr(target: Path, name: str, value: bytes) -> None:
    try:
        os.setxattr(target, name, value, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _UNABLE:
            raise


def _shared(reading: int, writing: int) -> bool:
    """Whether the file open as ``writing`` now shares the blocks of the other."""
    try:
        fcntl.ioctl(writing, _FICLONE, reading)
    except OSError as error:
        if error.errno in _UNABLE:
            return False
        raise
    return True


def _copy(reading: int, writing: int, size: int) -> None:
    """The content is copied inside the kernel; holes stay holes."""
    for start, end in _stretches(reading, size):
        at = start
        while at < end:
            count = _copy_range(reading, writing, min(end - at, _COPY_BYTES), at)
            if not count:
                break  # it was cut off meanwhile
            at += count
    os.ftruncate(writing, size)


def _copy_range(reading: int, writing: int, count: int, start: int) -> int:
    try:
        return os.copy_file_range(reading, writing, count, start, start)
    except OSError as error:
        if error.errno not in _UNABLE:
            raise
        return os.pwrite(writing, os.pread(reading, min(count, 1024 * 1024), start), start)


def _stretches(reading: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where there is content, as (start, end)."""
    at = 0
    while at < size:
        try:
            start = os.lseek(reading, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return  # nothing but a hole up to the end
            raise
        at = os.lseek(reading, start, os.SEEK_HOLE)
        yield start, min(at, size)
