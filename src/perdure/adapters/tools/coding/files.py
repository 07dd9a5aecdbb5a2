"""Files below a root: opened only if they are regular, replaced whole, walked without following links.

Invariants:
- A FIFO, a socket or a device is never opened: a name is first held without opening it (``O_PATH``),
  looked at, and what was looked at is opened.
- A file is replaced by a whole new one under its name. A reader sees the old or the new content; other
  names of the old file (hard links) keep the old content, so no file outside is written through one.
- Permissions stay, owners stay where we may give files away, set-user-id and set-group-id go, as on a write.

Reading through a hard link is reading: that no name here is one of a file outside is kept by whoever may
make names here, the shell's sandbox.
"""

import itertools
import os
import stat
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from perdure.adapters.tools.coding.beneath import Spot, reached
from perdure.adapters.tools.outcomes import NotDone
from perdure.checkpoint.tree import PART_PREFIX

_HELD: Final = "/proc/self/fd"
_KINDS: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISLNK, "a symbolic link that was put there this moment"),
    (stat.S_ISFIFO, "a FIFO, which is never opened"),
    (stat.S_ISSOCK, "a socket, which is never opened"),
    (stat.S_ISBLK, "a device, which is never opened"),
    (stat.S_ISCHR, "a device, which is never opened"),
)
_numbers = itertools.count()


class Written(NamedTuple):
    """What became of a file that was written."""

    new: bool
    """there was none before"""
    names: int
    """names (hard links) that the old file had; the others keep the old content"""


@contextmanager
def opened(spot: Spot) -> Generator[int]:
    """Hold the regular file at ``spot`` open for reading; raises ``NotDone`` for anything else."""
    descriptor = open_at(spot)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_at(spot: Spot) -> int:
    """Return the regular file at ``spot``, open for reading; the caller closes it. Raises as ``opened`` does."""
    looks_first = hasattr(os, "O_PATH") and Path(_HELD).is_dir()
    return _through_proc(spot) if looks_first else _without_waiting(spot)


def _through_proc(spot: Spot) -> int:
    marker = os.open(spot.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=spot.directory)
    try:
        regular(os.fstat(marker), spot.path)
        return os.open(f"{_HELD}/{marker}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(marker)


def _without_waiting(spot: Spot) -> int:
    """Open where nothing can be held unopened: a FIFO that is put there in between is opened, not waited for."""
    regular(os.stat(spot.name, dir_fd=spot.directory, follow_symlinks=False), spot.path)
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(spot.name, flags, dir_fd=spot.directory)
    try:
        regular(os.fstat(descriptor), spot.path)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def regular(found: os.stat_result, path: str) -> os.stat_result:
    """Return ``found`` if it is a regular file's; raise ``NotDone`` with what it is instead."""
    for is_kind, words in _KINDS:
        if is_kind(found.st_mode):
            raise NotDone(f"{path!r} is {words}")
    return found


def present(spot: Spot) -> os.stat_result | None:
    """Return the regular file's marks at ``spot``; None where nothing is; raise ``NotDone`` for anything else."""
    try:
        return regular(os.stat(spot.name, dir_fd=spot.directory, follow_symlinks=False), spot.path)
    except FileNotFoundError:
        return None


def content_of(spot: Spot, *, bytes_max: int) -> tuple[bytes, os.stat_result]:
    """Return the whole file at ``spot`` and its marks; raise ``NotDone`` for more than ``bytes_max`` bytes."""
    with opened(spot) as descriptor:
        before = os.fstat(descriptor)
        content = read_whole(descriptor, bytes_max=bytes_max)
    if content is None:
        raise NotDone(f"{spot.path!r} is larger than {bytes_max} bytes; use the shell")
    return content, before


def read_whole(descriptor: int, *, bytes_max: int) -> bytes | None:
    """Return all of a file without moving in it; None if there are more than ``bytes_max`` bytes."""
    pieces: list[bytes] = []
    size = 0
    while size <= bytes_max:
        piece = os.pread(descriptor, bytes_max + 1 - size, size)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
    return None


def replaced(spot: Spot, content: bytes, *, seen: os.stat_result | None = None) -> Written:
    """Make ``content`` the file at ``spot``, at once or not at all.

    ``seen``: the marks of the file that ``content`` was made from; if another is there by now, ``NotDone``
    is raised and nothing is changed.
    """
    part = f"{PART_PREFIX}{os.getpid()}-{next(_numbers)}-{time.time_ns()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(part, flags, 0o666, dir_fd=spot.directory)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            before = present(spot)
            if before is not None:
                _take_over(file.fileno(), before)
        _check(spot, before, seen)
        os.replace(part, spot.name, src_dir_fd=spot.directory, dst_dir_fd=spot.directory)
    except BaseException:
        with suppress(OSError):
            os.unlink(part, dir_fd=spot.directory)
        raise
    return Written(before is None, before.st_nlink if before else 1)


def _check(spot: Spot, before: os.stat_result | None, seen: os.stat_result | None) -> None:
    if seen is not None and (before is None or _marks(before) != _marks(seen)):
        raise NotDone(f"{spot.path!r} was changed meanwhile; read it again")


def _marks(found: os.stat_result) -> tuple[int, ...]:
    """Return what changes whenever a file's content does."""
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _take_over(descriptor: int, before: os.stat_result) -> None:
    with suppress(PermissionError):
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode) & ~(stat.S_ISUID | stat.S_ISGID))


class Seen(NamedTuple):
    """A name met on a walk. ``path`` is relative to the root."""

    path: str
    kind: str
    """'file', 'dir', 'link', or 'other' for what is never opened"""


def walked(root: Path, base: str, skipped: frozenset[str], passed: set[str]) -> Iterator[Seen]:
    """Yield all that stands below the directory ``base``, each directory before what is in it.

    Directories named in ``skipped`` are yielded and not entered; their names are added to ``passed``. One
    that goes, or is swapped for another thing, is passed over. Raises ``NotDone`` or ``OSError`` for ``base``.
    """
    start, names = _listing(root, base)
    waiting = [(start, names)]
    while waiting:
        path, names = waiting.pop()
        for name, kind in names:
            below = name if path == "." else f"{path}/{name}"
            yield Seen(below, kind)
            if kind == "dir" and name in skipped:
                passed.add(name)
            elif kind == "dir":
                with suppress(OSError, NotDone):
                    where, listed = _listing(root, below)
                    if where == below:  # else a link took its place, and leads elsewhere
                        waiting.append((where, listed))


def _listing(root: Path, path: str) -> tuple[str, list[tuple[str, str]]]:
    """Return where ``path`` really is, and the names in that directory, sorted, each with its kind."""
    with reached(root, path) as spot:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(spot.name, flags, dir_fd=spot.directory)
        try:
            with os.scandir(descriptor) as entries:
                return spot.path, sorted((entry.name, _kind(entry)) for entry in entries)
        finally:
            os.close(descriptor)


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.is_symlink():
        return "link"
    if entry.is_dir(follow_symlinks=False):
        return "dir"
    return "file" if entry.is_file(follow_symlinks=False) else "other"
