"""When a file was made: the one of its times that no tool can set, and that nobody changes by accident.

Python 3.11 doesn't show it on Linux, so the system is asked by its own name. Where the file system
doesn't keep it, the change time takes its place: as hard to forge, but moved by chmod and chown.
"""

import ctypes
import os
import struct
import sys
from pathlib import Path
from typing import cast

_AT_FDCWD = -100
_STATX_BTIME = 0x800
_BUFFER_BYTES = 256
_SECOND_NS = 1_000_000_000


def birth_of(path: Path) -> int:
    """Return when the file at ``path`` was made, in ns; its change time where nobody knows."""
    if sys.platform == "linux":
        born = _asked(path)
        if born is not None:
            return born
    stat = path.stat()
    born_seconds = cast("float | None", getattr(stat, "st_birthtime", None))
    return stat.st_ctime_ns if born_seconds is None else int(born_seconds * _SECOND_NS)


def _asked(path: Path) -> int | None:
    try:
        statx = ctypes.CDLL(None).statx
    except (AttributeError, OSError):
        return None
    buffer = ctypes.create_string_buffer(_BUFFER_BYTES)
    if statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, buffer) != 0:
        return None
    (mask,) = struct.unpack_from("I", buffer, 0)
    seconds, nanoseconds = struct.unpack_from("qI", buffer, 80)
    return seconds * _SECOND_NS + nanoseconds if mask & _STATX_BTIME else None
