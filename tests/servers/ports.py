"""Ports of loopback for the servers of tests: each belongs to one process, until that ends.

They are none of those that the system gives to whoever connects. So a server that was killed is started again on its
port, whatever connected meanwhile, and no client that tries a dead port is answered by itself.
"""

import fcntl
import os
import socket
import tempfile
from pathlib import Path
from typing import Final

_FIRST: Final = 10_000
_COUNT: Final = 22_000
"""Linux connects from 32768 on, others from 49152."""

_held: Final[list[int]] = []
"""Locks of the ports that this process was given: they go with it."""


def free_port() -> int:
    """Return a port of loopback on which nothing listens, and which no other test is given."""
    place = Path(tempfile.gettempdir()) / f"perdure-ports-{os.getuid()}"
    place.mkdir(exist_ok=True)
    for step in range(_COUNT):
        # Each process looks through a stretch of its own first.
        port = _FIRST + (os.getpid() * 61 + step) % _COUNT
        if _taken(place / str(port)):
            if _free(port):
                return port
            os.close(_held.pop())
    raise OSError("no port of loopback is free")


def _taken(lock: Path) -> bool:
    found = os.open(lock, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(found)
        return False
    _held.append(found)
    return True


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
