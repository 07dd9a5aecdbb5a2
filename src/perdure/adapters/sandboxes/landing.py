"""Put into the workspace what a command changed in its overlay.

Invariants:
- Content, mode, times, attributes, links among the changed files, holes: all as the command left them.
  Only the overlay's own marks are taken off.
- A name in the workspace is reached from its root through directories alone, never through a link.
- Each step may be done twice: a landing that was broken off is ended by landing again, or undone by
  restoring the workspace.

On one file system a landing is a few renames. Where the overlay lies on another, files are copied beside
their place and renamed.
"""

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from perdure.adapters.sandboxes.carrying import PART, Carrier, own_attributes
from perdure.adapters.sandboxes.removal import uprooted
from perdure.adapters.sandboxes.upper import Marked, NetChange, Step

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def land(change: NetChange, upper: Path, root: Path, trash: Path) -> None:
    """Make the workspace ``root`` what the command saw of it when it ended.

    ``trash`` is a directory on the file system of ``upper``; what was deleted goes there, to be removed
    later. Raises ``OSError``; then the workspace is between both states, until this is called again.
    """
    for marked in change.marked:
        _unmark(upper, marked)
    for path in change.void:
        (upper / path).unlink(missing_ok=True)
    trash.mkdir(exist_ok=True)
    lander = _Lander(trash)
    here, there = os.open(upper, _FOLDER), os.open(root, _FOLDER)
    try:
        if os.fstat(here).st_dev == os.fstat(there).st_dev:
            _shut_files(change.shut, upper)
        mode = stat.S_IMODE(os.fstat(there).st_mode)
        if change.steps and mode & stat.S_IRWXU != stat.S_IRWXU:
            os.fchmod(there, mode | stat.S_IRWXU)
        lander.merge(change.steps, change.mtime_ns, here, there)
        _shut(change.shut, there)
    finally:
        os.close(here)
        os.close(there)
        lander.close()


class _Lander:
    def __init__(self, trash: Path) -> None:
        self._trash: int = os.open(trash, _FOLDER)
        self._thrown: int = len(list(trash.iterdir()))
        self._carrier: Carrier = Carrier()

    def close(self) -> None:
        os.close(self._trash)

    def merge(self, steps: Sequence[Step], mtime_ns: int, here: int, there: int) -> None:
        """Do ``steps`` from the upper directory ``here`` to the workspace's ``there``, which is like it then."""
        for step in steps:
            match step.deed:
                case "remove":
                    self._remove(step.name, there)
                case "move":
                    self._move(step.name, here, there)
                case "merge":
                    self._descend(step, here, there)
        _like(here, there, mtime_ns)

    def _descend(self, step: Step, here: int, there: int) -> None:
        inner_here = os.open(step.name, _FOLDER, dir_fd=here)
        try:
            inner_there = _opened(step.name, there)
            try:
                self.merge(step.inside, step.mtime_ns, inner_here, inner_there)
            finally:
                os.close(inner_there)
        finally:
            os.close(inner_here)

    def _move(self, name: str, here: int, there: int) -> None:
        found = _stat(name, here)
        if found is None:
            return  # An earlier landing came this far.
        before = _stat(name, there)
        if before is not None and (stat.S_ISDIR(before.st_mode) or stat.S_ISDIR(found.st_mode)):
            self._remove(name, there)
        try:
            os.rename(name, name, src_dir_fd=here, dst_dir_fd=there)
        except OSError as refused:
            if refused.errno != errno.EXDEV:
                raise
            self._carrier.carry(name, here, there)

    def _remove(self, name: str, there: int) -> None:
        found = _stat(name, there)
        if found is None:
            return
        if not stat.S_ISDIR(found.st_mode):
            os.unlink(name, dir_fd=there)
            return
        self._thrown += 1
        if stat.S_IMODE(found.st_mode) & stat.S_IRWXU != stat.S_IRWXU:
            os.chmod(
                name, stat.S_IRWXU, dir_fd=there
            )  # Only who may write a directory may move it elsewhere.
        try:
            os.rename(name, str(self._thrown), src_dir_fd=there, dst_dir_fd=self._trash)
        except OSError as refused:
            if refused.errno != errno.EXDEV:
                raise
            # To the side in one step, so that no reader sees half of a directory.
            os.rename(name, name + PART, src_dir_fd=there, dst_dir_fd=there)
            uprooted(Path(f"/proc/self/fd/{there}", name + PART))


def _opened(name: str, folder: int) -> int:
    """Return the directory ``name``, opened, and open for us to change; it gets its mode in the end."""
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) & stat.S_IRWXU != stat.S_IRWXU:
        os.chmod(name, stat.S_IMODE(found.st_mode) | stat.S_IRWXU, dir_fd=folder)
    return os.open(name, _FOLDER, dir_fd=folder)


def _shut_files(shut: Sequence[tuple[str, int]], upper: Path) -> None:
    """Files that are renamed into place have their mode before anybody sees them there, also if we die next."""
    for path, mode in shut:
        with suppress(FileNotFoundError, NotADirectoryError):  # It has landed.
            file = upper / path
            if stat.S_ISREG(file.lstat().st_mode) and mode & stat.S_IRUSR:
                file.chmod(mode)


def _shut(shut: Sequence[tuple[str, int]], there: int) -> None:
    """Give what was opened to be landed the mode that it has in the end; innermost first."""
    for path, mode in reversed(shut):
        *above, name = path.split("/")
        folder = os.dup(there)
        try:
            for part in above:
                inner = _opened(part, folder)
                os.close(folder)
                folder = inner
            os.chmod(name or f"/proc/self/fd/{folder}", mode, dir_fd=folder)
        finally:
            os.close(folder)


def _stat(name: str, folder: int) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _like(here: int, there: int, mtime_ns: int) -> None:
    """Make the directory ``there`` look like ``here``: attributes, mode, and last its time."""
    wanted, found = os.fstat(here), os.fstat(there)
    new = {name: os.getxattr(here, name) for name in own_attributes(here)}
    old = {name: os.getxattr(there, name) for name in own_attributes(there)}
    for name in old.keys() - new.keys():
        os.removexattr(there, name)
    for name, value in new.items():
        if old.get(name) != value:
            os.setxattr(there, name, value)
    if stat.S_IMODE(found.st_mode) != stat.S_IMODE(wanted.st_mode):
        os.fchmod(there, stat.S_IMODE(wanted.st_mode))
    os.utime(there, ns=(found.st_atime_ns, mtime_ns))


def _unmark(upper: Path, marked: Marked) -> None:
    """Take the overlay's marks off, and give back what the command named like one."""
    path = upper / marked.path
    try:
        there = os.listxattr(path, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return  # It has landed.
    for name in marked.marks:
        if name in there:
            os.removexattr(path, name, follow_symlinks=False)
    for name, value in marked.own:
        os.setxattr(path, name, value, follow_symlinks=False)
