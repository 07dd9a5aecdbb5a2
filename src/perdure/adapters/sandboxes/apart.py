"""A process that sets itself apart before it becomes another program: its own directory in place of the real one.

For a program that has a person's terminal. Bubblewrap stays beside what it runs, in the terminal's foreground, where
Ctrl-C ends it and with it the program; and a program that stops in there stops unseen. Here there is one process only.

Invariants:
- What is not named as writable can only be read, by this process and all that come from it.
- The directory that was put in place of another hides that one; nobody in there has the right to take it away.
- It is set apart whole, or it fails before the program is there.
"""

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

from perdure.adapters.sandboxes.hindrance import cure
from perdure.values.errors import SandboxMissing

_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_BIND, _RECURSIVE, _PRIVATE = 0x1000, 0x4000, 0x40000
_MOUNT_SETATTR: Final = 442
"""The number of the call, the same on every processor; since Linux 5.12."""

_HERE: Final = -100
_ALL_BELOW: Final = 0x8000
_READ_ONLY: Final = 1
_DROP_BOUND, _NO_NEW_PRIVILEGES = 24, 38
_RIGHTS_MAX: Final = 64

_Call = Callable[..., int]

ALWAYS_WRITABLE: Final = ("/proc", "/dev/shm", "/dev/pts", "/dev/mqueue", "/tmp", "/var/tmp")  # noqa: S108 - every program writes there


class _Kernel:
    """The calls that it takes; each raises ``OSError`` where it fails."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._unshare, self._mount, self._syscall, self._prctl = (
            cast("_Call", getattr(libc, name)) for name in ("unshare", "mount", "syscall", "prctl")
        )

    def leave(self) -> None:
        """This process has users and mounts of its own."""
        user, group = os.geteuid(), os.getegid()
        _checked(self._unshare(_NEW_USER | _NEW_MOUNTS))
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"{user} {user} 1")
        _write("/proc/self/gid_map", f"{group} {group} 1")
        _checked(self._mount(None, b"/", None, _RECURSIVE | _PRIVATE, None))

    def show(self, source: str, target: str) -> None:
        """What is at ``source`` is found at ``target``, and may be changed there."""
        _checked(self._mount(source.encode(), target.encode(), None, _BIND | _RECURSIVE, None))
        self.allow(target, writing=True)

    def allow(self, place: str, *, writing: bool) -> None:
        """All that lies at ``place`` may be changed, or not."""
        attributes = struct.pack("QQQQ", 0 if writing else _READ_ONLY, _READ_ONLY if writing else 0, 0, 0)
        _checked(
            self._syscall(_MOUNT_SETATTR, _HERE, place.encode(), _ALL_BELOW, attributes, len(attributes))
        )

    def resign(self) -> None:
        """Nothing of this can be taken back, by this process or what comes from it."""
        _checked(self._prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
        for right in range(_RIGHTS_MAX):
            if self._prctl(_DROP_BOUND, right, 0, 0, 0) != 0:
                if ctypes.get_errno() != errno.EINVAL:
                    _checked(-1)
                return  # the kernel knows no more of them


def apart(instead: Mapping[Path, Path], writable: Sequence[Path]) -> Callable[[], None]:
    """Return what sets the calling process apart: it finds, in place of each key of ``instead``, the directory named there.

    ``writable`` stays so, what isn't there is left out. What is returned raises ``OSError``; it is called between fork
    and exec, and loads nothing.
    """
    kernel, here = _Kernel(), str(Path.cwd())
    places = dict.fromkeys((*ALWAYS_WRITABLE, *map(str, writable)))
    pairs = [(str(copy), str(place)) for place, copy in instead.items()]

    def entered() -> None:
        kernel.leave()
        kernel.allow("/", writing=False)
        for place in places:
            if Path(place).is_dir():
                kernel.show(place, place)
        for copy, place in pairs:
            kernel.show(copy, place)
        os.chdir(here)
        kernel.resign()

    return entered


def check_apart() -> None:
    """Return if a process can set itself apart on this machine. Raises ``SandboxMissing``."""
    if sys.platform != "linux":
        raise SandboxMissing("a client can be set apart on Linux only")
    enter = apart({}, ())
    told, tells = os.pipe()
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            try:
                enter()
                os.write(tells, b"ok")
            except OSError as error:
                os.write(tells, str(error).encode())
        os._exit(0)
    os.close(tells)
    with os.fdopen(told, "rb") as file:
        said = file.read().decode()
    os.waitpid(pid, 0)
    if said != "ok":
        raise SandboxMissing(f"a client can't be set apart here: {said or 'it failed'}", hint=cure())


def _checked(code: int) -> None:
    if code != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
