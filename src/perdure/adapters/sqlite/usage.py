"""Whether anybody may be about to name blobs: a lock that the system frees when its holder dies.

Between the look at a blob and the event that names it lie seconds, or minutes. Whoever looks holds this lock
from its first look until its store is closed; a collector only tries it.
"""

import fcntl
import os
import threading
from pathlib import Path


class Use:
    """One store object's say that it leans on blobs."""

    def __init__(self, path: Path) -> None:
        """Not in use yet; ``path`` is the lock's file."""
        self._path = path
        self._guard = threading.Lock()
        self._handle: int | None = None

    def begin(self) -> None:
        """From here on collectors know; the first call waits while one takes blobs away."""
        if self._handle is not None:
            return
        with self._guard:
            if self._handle is None:
                handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
                fcntl.flock(handle, fcntl.LOCK_SH)
                self._handle = handle

    def end(self) -> None:
        """Nothing that was looked at is named any more."""
        with self._guard:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None


def in_use(path: Path) -> bool:
    """Tell whether any store object, in this process or another, leans on blobs."""
    if not path.exists():
        return False
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
