"""Proof of death: whether the process that holds a run can still write, or send, anything.

Invariants:
- ``DEAD`` is said only with proof; whatever can't be seen from here is ``UNKNOWN``.
- A process id says nothing by itself: ids are given out again, so the start time must agree too.
- A stopped process is alive: it goes on when somebody continues it.
- Within this process a holder lives until its store says that its token has ended.
"""

import os
import platform
import threading
from collections.abc import Callable
from enum import Enum
from functools import cache
from pathlib import Path

from perdure.log.port import Holder


class Fate(Enum):
    """What can be said of a holder from here."""

    ALIVE = "alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


Proof = Callable[[Holder], Fate]
"""How a store learns a holder's fate; simulations bring their own."""

_INITIAL_PID_NAMESPACE = "pid:[4026531836]"
"""The kernel's fixed name for the namespace that isn't a container's."""

_living: set[str] = set()
_guard = threading.Lock()


def this_holder(token: str) -> Holder:
    """Return the holder that this process is, under ``token``."""
    return holder_of(os.getpid(), token)


def holder_of(pid: int, token: str) -> Holder:
    """Return the holder that the process ``pid`` of this machine is, under ``token``."""
    return Holder(_host(), pid, _started(pid) or "", token)


def begin(token: str) -> bool:
    """From here on a holder of this process under ``token`` is alive; False if it was so before."""
    with _guard:
        if token in _living:
            return False
        _living.add(token)
        return True


def end(token: str) -> None:
    """A holder of this process under ``token`` writes and sends nothing any more."""
    with _guard:
        _living.discard(token)


def fate(holder: Holder) -> Fate:
    """Return what is proved about ``holder``."""
    here = _host()
    if holder.host != here:
        return Fate.DEAD if _rebooted(holder.host, here) else Fate.UNKNOWN
    if holder.pid == os.getpid() and holder.started == _started(holder.pid):
        with _guard:
            return Fate.ALIVE if holder.token in _living else Fate.DEAD
    started = _started(holder.pid)
    if started is None:
        # Either it is gone, or it doesn't let itself be looked at (another user's, under hidepid).
        return Fate.UNKNOWN if _exists(holder.pid) else Fate.DEAD
    if started != holder.started or _is_remains(holder.pid):
        return Fate.DEAD
    return Fate.ALIVE


@cache
def _host() -> str:
    return f"{_machine()}/{_boot()}/{_pid_namespace()}"


def _machine() -> str:
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        name = _text(path)
        if name:
            return name
    return platform.node()


def _boot() -> str:
    return _text("/proc/sys/kernel/random/boot_id") or _boot_elsewhere()


def _boot_elsewhere() -> str:
    import psutil  # noqa: PLC0415 - slow to load, and needed only where there is no /proc

    return str(round(psutil.boot_time()))


def _exists(pid: int) -> bool:
    if os.name == "posix":
        try:
            os.kill(pid, 0)  # Sends nothing.
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
    import psutil  # noqa: PLC0415 - as above

    return psutil.pid_exists(pid)


def _pid_namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _rebooted(there: str, here: str) -> bool:
    """Tell whether ``there`` is this very machine before it was started anew.

    Only outside of containers: their images are copied, and a machine's id with them.
    """
    was, now = there.split("/"), here.split("/")
    return (
        len(was) == len(now)
        and was[0] == now[0]
        and was[1] != now[1]
        and was[2] == now[2] == _INITIAL_PID_NAMESPACE
    )


def _started(pid: int) -> str | None:
    """Return the process's start time, or None where it can't be read.

    On Linux in clock ticks since the boot: the wall-clock form moves when somebody sets the clock.
    """
    fields = _stat(pid)
    if fields is not None:
        return fields[19]
    if Path("/proc/self/stat").exists():
        return None
    import psutil  # noqa: PLC0415 - as above

    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _is_remains(pid: int) -> bool:
    """Tell whether a process is over and only waits to be reaped by its parent."""
    fields = _stat(pid)
    if fields is None:
        import psutil  # noqa: PLC0415 - as above

        try:
            return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False
    # A main thread that ended before its siblings looks the same, so count the threads.
    return fields[0] in "ZX" and int(fields[17]) <= 1


def _stat(pid: int) -> list[str] | None:
    """Return the kernel's line on a process from its state on; the name before it may hold anything."""
    line = _text(f"/proc/{pid}/stat")
    return line.rpartition(")")[2].split() if line else None


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
