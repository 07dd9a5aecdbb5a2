"""Remove a directory whatever an agent made of it: shut, or nested deeper than a path can name."""

import os
import stat
from pathlib import Path


def uprooted(top: Path) -> None:
    """``top`` and all in it are gone; no symbolic link is followed.

    Directories are brought up to the first level before they are emptied, so that neither the depth
    of Python's stack nor the length of a path ends it.
    """
    try:
        found = top.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        top.unlink()
        return
    top.chmod(stat.S_IRWXU)
    number = 0
    # Folders that hold none are gone after one look; the others hand theirs up.
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        with os.scandir(folder) as entries:
            inside = list(entries)
        for entry in inside:
            if not entry.is_dir(follow_symlinks=False):
                Path(entry).unlink()
                continue
            # Only who may write a directory may move it elsewhere.
            Path(entry).chmod(stat.S_IRWXU)
            number += 1
            while os.path.lexists(raised := top / f".{number}"):
                number += 1
            Path(entry).rename(raised)
            waiting.append(raised)
        if folder != top:
            folder.rmdir()
    top.rmdir()
