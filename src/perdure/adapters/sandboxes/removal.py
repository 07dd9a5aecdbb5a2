"""Remove a directory whatever an agent made of it: shut, or nested deeper than a path can name."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path


def uprooted(top: Path) -> None:
    """``top`` and all in it are gone; no symbolic link is followed. Somebody else may be at it, too.

    Directories are brought up to the first level before they are emptied, so that neither the depth
    of Python's stack nor the length of a path ends it.
    """
    try:
        found = top.lstat()
        if not stat.S_ISDIR(found.st_mode):
            top.unlink()
            return
        top.chmod(stat.S_IRWXU)
    except FileNotFoundError:
        return
    # Folders that hold none are gone after one look; the others hand theirs up.
    waiting, numbers = [top], count(1)
    while waiting:
        folder = waiting.pop()
        with suppress(FileNotFoundError):
            raised = _emptied(folder, top, numbers)
            if raised and folder == top:
                waiting.append(top)
            waiting += raised
            if folder != top or not raised:
                try:
                    folder.rmdir()
                except OSError as error:
                    # Whoever else is at it has handed something up meanwhile.
                    if error.errno != errno.ENOTEMPTY:
                        raise
                    waiting.append(folder)


def _emptied(folder: Path, top: Path, numbers: Iterator[int]) -> list[Path]:
    """Remove the files in ``folder``, and hand its folders up to ``top``; return where those are now."""
    with os.scandir(folder) as entries:
        inside = list(entries)
    raised: list[Path] = []
    for entry in inside:
        with suppress(FileNotFoundError):
            if not entry.is_dir(follow_symlinks=False):
                Path(entry).unlink()
                continue
            # Only who may write a directory may move it elsewhere.
            Path(entry).chmod(stat.S_IRWXU)
            if folder == top:
                raised.append(Path(entry))
                continue
            while os.path.lexists(place := top / f".{next(numbers)}"):
                pass
            Path(entry).rename(place)
            raised.append(place)
    return raised
