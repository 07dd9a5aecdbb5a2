"""A client and the programs that it runs in its foreground, found also where whoever started them is gone.

Some clients start themselves anew, and all start commands: these are of the wrapper's process group, and were told where
its keeper listens. What a client has let go of, as a service in a session of its own, is left alone.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

import psutil

from perdure.assembly.foreign.wraps import named, still_lives
from perdure.values.limits import CLIENT_GRACE_SECONDS
from perdure.wrap.hooks.telling import SOCKET

_PAUSE_SECONDS: Final = 0.02


class Crew(NamedTuple):
    """How those are known."""

    client: str
    """the process that was started; see ``named``"""
    group: int
    """the process group of all"""
    socket: str
    """what their environment says of the keeper's door"""


def crew_of(pid: int, socket: str) -> Crew:
    """Return the crew of a client that this process has just started."""
    return Crew(named(pid), os.getpgrp(), socket)


def dismiss(crew: Crew) -> bool:
    """None of the crew lives any more; tell whether one did.

    They have ``CLIENT_GRACE_SECONDS`` to put the terminal in order; what even the kernel can't end is given up after as
    long again.
    """
    begun, number, lived = time.monotonic(), signal.SIGTERM, False
    while living := list(_living(crew)):
        lived = True
        for pid in living:
            with suppress(OSError):
                os.kill(pid, number)
        since = time.monotonic() - begun
        if since > 2 * CLIENT_GRACE_SECONDS:
            break
        number = signal.SIGKILL if since > CLIENT_GRACE_SECONDS else 0
        time.sleep(_PAUSE_SECONDS)
    return lived


def _living(crew: Crew) -> Iterator[int]:
    client = still_lives(crew.client)
    if client:
        yield client
    for each in psutil.process_iter():
        if each.pid not in (client, os.getpid()):
            with suppress(OSError, psutil.Error):
                if os.getpgid(each.pid) == crew.group and each.environ().get(SOCKET) == crew.socket:
                    yield each.pid
