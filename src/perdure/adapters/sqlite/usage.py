"""Whether anybody may be about to name blobs: a lock that the system frees when its holder dies.

Between the look at a blob and the event that names it lie seconds, or minutes. So whoever has a store open
holds this lock, shared, until it is closed; a collector lets go of its own and tries to have it alone.
"""

import fcntl
import os
import threading
from pathlib import Path


class Use:
    """One store object's say that it may lean on blobs."""

    def __init__(self, path: Path) -> None:
        """Say nothing yet; ``path`` is the lock's file."""
        self._path = path
        self._guard = threading.Lock()
        self._handle: int | None = None

    def begin(self, *, make: bool = True) -> None:
        """From here on collectors know. Without ``make`` nothing is written: a file that isn't there isn't made."""
        if self._handle is not None:
            return
        with self._guard:
            if self._handle is not None:
                return
            try:
                handle = os.open(self._path, (os.O_CREAT if make else 0) | os.O_RDONLY | os.O_CLOEXEC, 0o644)
            except FileNotFoundError:
                return
            fcntl.flock(handle, fcntl.LOCK_SH)
            self._handle = handle

    def end(self) -> None:
        """Nothing that was looked at through this store object is named any more."""
        with self._guard:
            if self._handle is not None:
                os.close(self._handle)
                self._handle = None


def in_use(path: Path) -> bool:
    """Tell whether any store object, of this process or another, may lean on blobs."""
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
