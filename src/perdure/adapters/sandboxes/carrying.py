"""Copy what can't be renamed to another file system: whole, beside its place, then put there at once."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

from perdure.adapters.sandboxes.removal import uprooted

PART: Final = ".perdure-part"

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STEP_BYTES: Final = 16 * 1024 * 1024


class Carrier:
    """Copies within one landing; names of one file become names of one file again."""

    def __init__(self) -> None:
        """Nothing is carried yet."""
        self._names: dict[tuple[int, int], Path] = {}

    def carry(self, name: str, here: int, there: int) -> None:
        """Copy ``name`` of the directory ``here`` to ``there``, in place of what is there."""
        part = name + PART
        uprooted(Path(f"/proc/self/fd/{there}", part))
        self._copy(name, here, part, there)
        os.rename(part, name, src_dir_fd=there, dst_dir_fd=there)
        self._settle(name, here, there)

    def _settle(self, name: str, here: int, there: int) -> None:
        """Remember under its final name each file that has several."""
        found = os.stat(name, dir_fd=here, follow_symlinks=False)
        final = _place(there) / name
        if not stat.S_ISDIR(found.st_mode):
            if found.st_nlink > 1:
                self._names[found.st_dev, found.st_ino] = final
            return
        part = final.with_name(name + PART)
        for key, path in self._names.items():
            if path.is_relative_to(part):
                self._names[key] = final / path.relative_to(part)

    def _copy(self, name: str, here: int, part: str, there: int) -> None:
        found = os.stat(name, dir_fd=here, follow_symlinks=False)
        kind = stat.S_IFMT(found.st_mode)
        known = self._names.get((found.st_dev, found.st_ino))
        if known is not None and kind != stat.S_IFDIR:
            os.link(known, part, dst_dir_fd=there, follow_symlinks=False)
            return
        match kind:
            case stat.S_IFDIR:
                self._copy_folder(name, here, part, there)
            case stat.S_IFREG:
                _copy_file(name, here, part, there)
            case stat.S_IFLNK:
                os.symlink(os.readlink(name, dir_fd=here), part, dir_fd=there)
            case _:
                os.mknod(part, found.st_mode, dir_fd=there)
        if kind not in {stat.S_IFLNK, stat.S_IFREG}:
            os.chmod(part, stat.S_IMODE(found.st_mode), dir_fd=there)
        os.utime(part, ns=(found.st_atime_ns, found.st_mtime_ns), dir_fd=there, follow_symlinks=False)
        if kind != stat.S_IFDIR and found.st_nlink > 1:
            self._names[found.st_dev, found.st_ino] = _place(there) / part

    def _copy_folder(self, name: str, here: int, part: str, there: int) -> None:
        os.mkdir(part, stat.S_IRWXU, dir_fd=there)
        inner_here = os.open(name, _FOLDER, dir_fd=here)
        inner_there = os.open(part, _FOLDER, dir_fd=there)
        try:
            for entry in os.listdir(inner_here):  # noqa: PTH208 - an open directory has no path
                self._copy(entry, inner_here, entry, inner_there)
            _copy_attributes(inner_here, inner_there)
        finally:
            os.close(inner_here)
            os.close(inner_there)


def _place(folder: int) -> Path:
    return Path(f"/proc/self/fd/{folder}").readlink()


def _copy_file(name: str, here: int, part: str, there: int) -> None:
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(part, flags, stat.S_IRUSR | stat.S_IWUSR, dir_fd=there)
        try:
            _copy_content(source, target)
            _copy_attributes(source, target)
            os.fchmod(target, stat.S_IMODE(os.fstat(source).st_mode))
        finally:
            os.close(target)
    finally:
        os.close(source)


def _copy_content(source: int, target: int) -> None:
    """Copy all bytes but holes, which stay holes."""
    size = os.fstat(source).st_size
    at = 0
    while at < size:
        try:
            begins = os.lseek(source, at, os.SEEK_DATA)
        except OSError:
            break  # A hole up to the end.
        at = os.lseek(source, begins, os.SEEK_HOLE)
        os.lseek(target, begins, os.SEEK_SET)
        while begins < at:
            sent = os.sendfile(target, source, begins, min(_STEP_BYTES, at - begins))
            if not sent:
                raise OSError(f"a file of the overlay ended at {begins} of {at} bytes")
            begins += sent
    os.ftruncate(target, size)


def _copy_attributes(source: int, target: int) -> None:
    for name in own_attributes(source):
        os.setxattr(target, name, os.getxattr(source, name))


def own_attributes(file: int) -> list[str]:
    """Return the names of attributes that a file's owner sets: their own, and its access list."""
    try:
        names = os.listxattr(file)
    except OSError as refused:
        if refused.errno == errno.ENOTSUP:
            return []
        raise
    return [name for name in names if name.startswith(("user.", "system.posix_acl"))]
