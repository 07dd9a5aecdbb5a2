"""What a collection of garbage found and did, whatever the store."""

from collections.abc import Callable

import msgspec

Tell = Callable[[str, int, int], None]
"""(what is read, how many are done, how many there are or 0 where nobody knows)"""


class Heap(msgspec.Struct, frozen=True):
    """Blobs of one sort, with their bytes as stored: in the log itself, and in files or objects beside it."""

    blobs: int = 0
    log_bytes: int = 0
    files: int = 0
    """how many of the blobs have a file, or an object"""
    file_bytes: int = 0

    @property
    def bytes(self) -> int:
        """All of it."""
        return self.log_bytes + self.file_bytes


class Collected(msgspec.Struct, frozen=True):
    """What a collection found and did."""

    reached: Heap
    """what stays"""
    unreached: Heap
    """what nothing reaches, whether it could go yet or not"""
    taken: Heap
    """what is gone now; in a trial, what would go"""
    strays: Heap
    """files or objects beside the log that no row names, left by a crash: gone as well"""
    in_use: bool
    """whether somebody may lean on blobs: what was found unreached just now has to wait then"""
    trial: bool


def in_all(one: Heap, other: Heap) -> Heap:
    """Return both heaps as one."""
    return Heap(
        one.blobs + other.blobs,
        one.log_bytes + other.log_bytes,
        one.files + other.files,
        one.file_bytes + other.file_bytes,
    )
