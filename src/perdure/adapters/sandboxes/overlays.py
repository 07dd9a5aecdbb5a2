"""The overlay of one command: fresh before it, landed or thrown away after it.

Invariants:
- Nothing of a command is in the workspace before ``land`` is called, and all of it when that returns.
- An overlay that a dead process left behind is thrown away: its command is in doubt, and what is in
  doubt is put back and done again.
"""

import os
import stat
from itertools import count
from pathlib import Path

from perdure.adapters.sandboxes.confinement import Overlay
from perdure.adapters.sandboxes.landing import land
from perdure.adapters.sandboxes.removal import uprooted
from perdure.adapters.sandboxes.sides import MARK, attributes
from perdure.adapters.sandboxes.upper import Allows, NetChange, read_change


class HeldBack:
    """What one command changes, kept out of the workspace."""

    def __init__(self, root: Path, place: Path) -> None:
        """Make an overlay in ``place``, with nothing in it, whose top looks like the workspace's."""
        self.overlay: Overlay = Overlay(place / "upper", place / "work")
        self._root: Path = root
        self._place: Path = place
        for path in (place, *self.overlay):
            path.mkdir(mode=0o700)
        _like(root, self.overlay.upper)
        # The clock of files is coarser than ours, and another machine's on a network file system.
        self._began: int = place.stat().st_ctime_ns

    def change(self, allows: Allows | None) -> NetChange:
        """Return what the command changed, judged; it must have ended."""
        return read_change(self.overlay.upper, self._root, allows, self._began)

    def land(self, change: NetChange) -> None:
        """Put ``change`` into the workspace; may be repeated after an ``OSError``."""
        land(change, self.overlay.upper, self._root, self._place / "trash")

    def discard(self) -> None:
        """The overlay is gone with all that has not landed."""
        uprooted(self._place)


def _like(root: Path, upper: Path) -> None:
    """Make the top of an overlay look like the workspace, whose own mode and times would not show."""
    for name, value in attributes(str(root), "").items():
        if not name.startswith(MARK):
            os.setxattr(upper, name, value)
    found = root.stat()
    upper.chmod(stat.S_IMODE(found.st_mode))
    os.utime(upper, ns=(found.st_atime_ns, found.st_mtime_ns))


class Overlays:
    """Overlays of one workspace."""

    def __init__(self, root: Path, folder: Path) -> None:
        """Keep them in ``folder``, which is this object's alone: what lies there is thrown away."""
        self._root: Path = root
        self._folder: Path = folder
        self._numbers: count[int] = count(1)
        uprooted(folder)
        folder.mkdir(parents=True)

    def fresh(self) -> HeldBack:
        """Return an overlay for one command."""
        return HeldBack(self._root, self._folder / str(next(self._numbers)))
