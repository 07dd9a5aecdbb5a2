"""Which file systems are mounted below a directory, and how finely the one it lies on stamps changes."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from perdure.adapters.workspace.marks import GRAIN_NS, REMOTE_GRAIN_NS
from perdure.checkpoint.tree import decoded

_MOUNTS: Final = Path("/proc/self/mountinfo")
_ESCAPED: Final = re.compile(rb"\\([0-7]{3})")

_LOCAL: Final = frozenset(
    [
        b"bcachefs",
        b"btrfs",
        b"ext2",
        b"ext3",
        b"ext4",
        b"f2fs",
        b"overlay",
        b"ramfs",
        b"tmpfs",
        b"xfs",
        b"zfs",
    ]
)
"""Stamped by this machine's clock. Everything else (network, FUSE, FAT) gets the larger grain."""


class Mounts(NamedTuple):
    """What is mounted below a root, relative to it, and the grain of stamps at the root (ns)."""

    below: frozenset[str]
    grain: int


def mounts_at(root: Path) -> Mounts:
    """Return the mounts as this process sees them now; none where the system doesn't tell."""
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return Mounts(frozenset(), REMOTE_GRAIN_NS)
    place = bytes(root)
    below: set[str] = set()
    longest, kind = b"", b""
    for line in lines:
        fields, _, rest = line.partition(b" - ")
        point = _ESCAPED.sub(_letter, fields.split(b" ")[4])
        if point.startswith(place + b"/"):
            below.add(decoded(point[len(place) + 1 :]))
        elif (place + b"/").startswith(point.rstrip(b"/") + b"/") and len(point) >= len(longest):
            longest, kind = point, rest.split(b" ", 1)[0]
    return Mounts(frozenset(below), GRAIN_NS if kind in _LOCAL else REMOTE_GRAIN_NS)


def _letter(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 8)])
