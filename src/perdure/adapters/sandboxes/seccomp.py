"""The system calls that a sandbox refuses, as a filter that the kernel runs.

Refused are io_uring (it can't be captured in a process image, and has been the way out of many a
sandbox) and the kernel's keyring (it belongs to no namespace). Refused means "not implemented":
programs then fall back to what they did before these calls existed.
"""

import errno
import platform
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple


class Machine(NamedTuple):
    """How the kernel names a processor, and the numbers of its calls for the keyring."""

    audit: int
    keyring: tuple[int, int, int]
    """add_key, request_key, keyctl"""


_MACHINES: Final = {
    "x86_64": Machine(0xC000003E, (248, 249, 250)),
    "aarch64": Machine(0xC00000B7, (217, 218, 219)),
}
_IO_URING: Final = (425, 426, 427)
"""Numbers from 424 on are the same on every processor, and for its 32-bit programs."""

_X32: Final = 0x40000000
"""Set in the number of a call that uses the x32 convention; its low bits are those of x86_64."""

_LOAD, _SAME, _AND, _RETURN = 0x20, 0x15, 0x54, 0x06
_NUMBER, _PROCESSOR = 0, 4
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.ENOSYS


def filter_program(machine: str = "") -> bytes:
    """Return the filter for ``machine`` (this one's name by default) as bubblewrap takes it."""
    known = _MACHINES.get(machine or platform.machine())
    return _same_everywhere() if known is None else _with_keyring(known)


def _with_keyring(machine: Machine) -> bytes:
    # A 32-bit program has its own numbers for the keyring: 286 to 288 on x86, 309 to 311 on arm. They
    # mean something else to 64-bit ones, so the check goes by the processor that the call names.
    ours = _refused(machine.keyring)
    return b"".join(
        [
            _instruction(_LOAD, _PROCESSOR),
            _instruction(_SAME, machine.audit, 0, len(ours) // 8 + 2),
            _instruction(_LOAD, _NUMBER),
            _instruction(_AND, ~_X32 & 0xFFFFFFFF),
            ours,
            _same_everywhere(),
        ]
    )


def _same_everywhere() -> bytes:
    start = _instruction(_LOAD, _NUMBER) + _instruction(_AND, ~_X32 & 0xFFFFFFFF)
    return start + _refused(_IO_URING) + _instruction(_RETURN, _ALLOW)


def _refused(numbers: Sequence[int]) -> bytes:
    """Return the steps that refuse a call of one of ``numbers``, and go on behind them with any other."""
    steps = [_instruction(_SAME, number, 0, 1) + _instruction(_RETURN, _REFUSE) for number in numbers]
    return b"".join(steps)


def _instruction(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)
