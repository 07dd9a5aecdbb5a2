"""What a wrapper that was killed with its keeper has left: the next one clears it away.

A client that outlived both is ended: it speaks to sockets that nobody serves any more.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from perdure.assembly.foreign.wraps import left_folders, named, still_lives
from perdure.values.limits import CLIENT_GRACE_SECONDS

_CLIENT: Final = "client"
_PAUSE_SECONDS: Final = 0.02


def noted_client(folder: Path, pid: int) -> None:
    """The client's process is known to whoever clears the folder away."""
    (folder / _CLIENT).write_text(named(pid), encoding="utf-8")


def cleared() -> int:
    """Nothing is left of wrappers that are gone; return how many clients of theirs were ended."""
    ended = 0
    for folder in left_folders():
        try:
            ended += _ended(folder.path / _CLIENT)
        finally:
            folder.let_go()
    return ended


def _ended(note: Path) -> int:
    try:
        name = note.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return 0
    pid = still_lives(name)
    if not pid:
        return 0
    latest = time.monotonic() + CLIENT_GRACE_SECONDS
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    while still_lives(name):
        if time.monotonic() > latest:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            break
        time.sleep(_PAUSE_SECONDS)
    return 1
