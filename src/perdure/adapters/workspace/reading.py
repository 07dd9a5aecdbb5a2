"""Opening and reading one name of a directory, so that neither a swap nor a pipe can harm.

Invariants:
- A name is opened relative to its open directory and never through a link, so no path leads outside.
- FIFOs, sockets and devices are not opened; access times stay where the system permits that.
- A file is ``torn`` if it changed while it was read, twice.
"""

import errno
import os
import stat
from collections.abc import Callable
from typing import Final, NamedTuple

from perdure.adapters.workspace.content import Kept, read_up_to
from perdure.adapters.workspace.marks import MarksOf

_QUIET: Final = os.O_NOATIME if hasattr(os, "O_NOATIME") else 0
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER: Final = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ENTER: Final = _FOLDER | (os.O_PATH if hasattr(os, "O_PATH") else os.O_RDONLY)

_POSIX_ACL: Final = ("system.posix_acl_access", "system.posix_acl_default", "security.capability")
_ACCESS: Final = (errno.EACCES, errno.EPERM)
_OTHER: Final = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)

Xattrs = tuple[tuple[bytes, bytes], ...]


class Read(NamedTuple):
    """A file as it was read: its status after that, its bytes, and whether they belong together."""

    found: os.stat_result
    body: Kept
    xattrs: Xattrs
    torn: bool


def look(folder: int, name: bytes, path: str) -> os.stat_result | None:
    """Return what stands under a name, itself and not where it leads, or None for nothing."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise _unreadable(error, path) from error


def open_file(folder: int, name: bytes, path: str) -> int | None:
    """Return a descriptor of the regular file, or None if there is none any more."""
    fd = _open_quietly(folder, name, path, _FILE)
    if fd is not None and not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return None
    return fd


def read_whole(fd: int, count: int) -> bytes:
    """Return the first ``count`` bytes of the open file, and close it."""
    try:
        return read_up_to(fd, count)
    finally:
        os.close(fd)


def enter(folder: int, name: bytes) -> int | None:
    """Return a descriptor by which the names in a directory can be looked at, or None if it is none."""
    try:
        return os.open(name, _ENTER, dir_fd=folder)
    except OSError as error:
        if error.errno in _OTHER:
            return None
        raise


def names_in(folder: int, path: str) -> list[bytes]:
    """Return the names in an open directory, sorted."""
    fd = _open_quietly(folder, b".", path, os.O_RDONLY | _FOLDER)
    if fd is None:
        return []
    try:
        return sorted(map(os.fsencode, os.listdir(fd)))  # noqa: PTH208 - by descriptor
    finally:
        os.close(fd)


def xattrs_of(fd: int) -> Xattrs:
    """Return the extended attributes that a restore can put back, sorted by name."""
    if not hasattr(os, "listxattr"):
        return ()
    try:
        names = [name for name in os.listxattr(fd) if name.startswith("user.") or name in _POSIX_ACL]
        return tuple(sorted((os.fsencode(name), os.getxattr(fd, name)) for name in names))
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.ENODATA}:
            return ()
        raise


def folder_xattrs(folder: int) -> Xattrs:
    """Return the extended attributes of a directory that was only entered."""
    fd = _open_quietly(folder, b".", ".", os.O_RDONLY | _FOLDER)
    if fd is None:
        return ()
    try:
        return xattrs_of(fd)
    finally:
        os.close(fd)


def read_steadily(
    folder: int, name: bytes, path: str, marks_of: MarksOf, take: Callable[[int], Kept]
) -> Read | None:
    """Return the regular file as ``take`` reads it, or None if there is none any more."""
    for last in (False, True):
        fd = open_file(folder, name, path)
        if fd is None:
            return None
        try:
            before = marks_of(os.fstat(fd))
            body = take(fd)
            xattrs = xattrs_of(fd)
            found = os.fstat(fd)
        finally:
            os.close(fd)
        torn = marks_of(found) != before or body.size != found.st_size
        if last or not torn:
            return Read(found, body, xattrs, torn)
    return None


def _open_quietly(folder: int, name: bytes, path: str, flags: int) -> int | None:
    try:
        try:
            return os.open(name, flags | _QUIET, dir_fd=folder)
        except PermissionError:
            # Whoever isn't its owner may not ask for that.
            return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in _OTHER:
            return None
        if error.errno in _ACCESS:
            why = (
                "can't be read, so it can't be recorded; make it readable, or leave it out by .perdureignore"
            )
            raise PermissionError(error.errno, why, path) from error
        raise OSError(error.errno, error.strerror, path) from error


def _unreadable(error: OSError, path: str) -> PermissionError:
    why = "can't be read, so it can't be recorded; make it readable, or leave it out by .perdureignore"
    return PermissionError(error.errno, why, path)
