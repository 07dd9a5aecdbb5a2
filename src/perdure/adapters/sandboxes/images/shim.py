"""A script that stands between two programs, run with Python alone: ``python -I -S shim.py WHAT ...``.

``loopback`` raises the loopback of the network namespace that it runs in.
``filtered PROGRAM WORDS...`` has the kernel refuse, from here on, what the filter (in hexadecimal)
refuses, then becomes the program of ``WORDS``.

It uses the standard library alone, so that starting it costs little.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from typing import Final

_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 0x1
_SET_SECCOMP, _BY_FILTER = 22, 2
_STEP_BYTES: Final = 8


class Filter(ctypes.Structure):
    """The kernel's ``struct sock_fprog``: how many steps, and where they are."""

    _fields_ = (("steps", ctypes.c_ushort), ("first", ctypes.c_char_p))


def loopback() -> None:
    """Raise ``lo``; a new network namespace, and one that CRIU restored, has it down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        asked = struct.pack("16sh22x", b"lo", 0)
        flags: int = struct.unpack("16xh22x", fcntl.ioctl(any_socket, _GET_FLAGS, asked))[0]
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack("16sh22x", b"lo", flags | _UP))


def filtered(program: bytes, words: list[str]) -> None:
    """Run ``words`` in this process, with the seccomp filter ``program`` in force."""
    steps = Filter(len(program) // _STEP_BYTES, program)
    kernel = ctypes.CDLL(None, use_errno=True)
    if kernel.prctl(_SET_SECCOMP, _BY_FILTER, ctypes.byref(steps), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the filter of system calls can't be set")
    os.execvp(words[0], words)  # noqa: S606 - becoming that program is the point


if __name__ == "__main__":
    if sys.argv[1] == "loopback":
        loopback()
    else:
        filtered(bytes.fromhex(sys.argv[2]), sys.argv[3:])
