"""One loopback for all services of a run, which nothing outside of the run can reach.

Invariants:
- It lives as long as a process that holds it, which ends with this one.
- Whoever enters gets no right over it: the sandbox that is made behind the entrance takes them away.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from perdure.adapters.sandboxes.cage import Cage, begun
from perdure.adapters.sandboxes.confinement import Fds
from perdure.values.errors import SandboxMissing

# Joins the user namespace first, which gives the right to join the network of its own.
_ENTER: Final = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for name, kind in (("user", 0x10000000), ("net", 0x40000000)):
    place = os.open(f"/proc/{sys.argv[1]}/ns/{name}", os.O_RDONLY)
    if libc.setns(place, kind):
        raise SystemExit(f"can't enter the services' network: {os.strerror(ctypes.get_errno())}")
    os.close(place)
os.execv(sys.argv[2], sys.argv[2:])
"""


class SharedLoopback:
    """A network with a loopback and nothing else."""

    def __init__(self, holder: Cage, held: int) -> None:
        """Keep ``holder`` alive until ``held``, the end of a pipe that it reads, is closed."""
        self._holder: Cage = holder
        self._held: int = held

    @property
    def over(self) -> bool:
        """Whether its holder has ended."""
        return self._holder.over

    def entrance(self) -> tuple[str, ...]:
        """Words to put before a command line so that it starts on this loopback."""
        return (sys.executable, "-I", "-S", "-c", _ENTER, str(self._holder.pid))

    async def close(self) -> None:
        """Let the network go, with whatever still uses it cut off."""
        with suppress(OSError):
            os.close(self._held)
        self._holder.kill()
        await self._holder.ended()


async def loopback(program: Path, seccomp: Path) -> SharedLoopback:
    """Make a loopback; raises ``SandboxMissing``."""

    def words(fds: Fds) -> list[str]:
        watch = ("--info-fd", str(fds.status), "--block-fd", str(fds.gate), "--seccomp", str(fds.seccomp))
        # It sees what we see, and does nothing but wait for its input to end. A /dev of its own would put
        # it into a second user namespace, which has no right over the network of the first.
        made = ("--unshare-user", "--unshare-net", "--die-with-parent", "--ro-bind", "/", "/")
        return [str(program), *made, *watch, "--", "/bin/sh", "-c", "read -r line"]

    waits, held = os.pipe()
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        holder = await begun(words, env={}, stdin=waits, output=nothing, seccomp=seccomp)
    finally:
        os.close(waits)
        os.close(nothing)
    if holder is None:
        os.close(held)
        raise SandboxMissing("no network can be made for services", hint="see `perdure doctor`")
    return SharedLoopback(holder, held)
