"""What ties a process to the one that started it, also where that is killed: the kernel's word on Linux.

Elsewhere nothing is tied here; who watches a pipe does it a little later.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Final, cast

_SET_PDEATHSIG: Final = 1
_Prctl = Callable[[int, int, int, int, int], int]


def death_tie() -> Callable[[int], None]:
    """Return what a child calls between fork and exec: from then on it gets SIGTERM when the process ``parent`` ends.

    Its library is loaded here, before the fork.
    """
    if sys.platform != "linux":
        return _untied
    prctl = cast("_Prctl", ctypes.CDLL(None, use_errno=True).prctl)

    def tie(parent: int) -> None:
        prctl(_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it ended before the tie held
            os.kill(os.getpid(), signal.SIGKILL)

    return tie


def _untied(parent: int) -> None:
    """Return: this system has no word for it."""
    del parent
