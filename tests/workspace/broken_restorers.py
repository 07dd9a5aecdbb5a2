"""Restorers that forget one thing each: the harness has to tell them from one that forgets nothing."""

import subprocess
from pathlib import Path
from typing import Final

from tests.workspace.restorers import FullCopies, MakeRestorer


class ForgetsModes(FullCopies):
    """Everything comes back with the modes of new files."""

    def copy(self, source: Path, target: Path) -> None:
        """Copy without modes."""
        subprocess.run(["cp", "-a", "--no-preserve=mode", str(source), str(target)], check=True)


class ForgetsTimes(FullCopies):
    """Everything comes back as if it had been written now."""

    def copy(self, source: Path, target: Path) -> None:
        """Copy without times."""
        subprocess.run(["cp", "-a", "--no-preserve=timestamps", str(source), str(target)], check=True)


class ForgetsSharing(FullCopies):
    """Two names of one file become two files."""

    def copy(self, source: Path, target: Path) -> None:
        """Copy each name for itself."""
        subprocess.run(["cp", "-a", "--no-preserve=links", str(source), str(target)], check=True)


class ForgetsHollows(FullCopies):
    """Directories without anything in them don't come back."""

    def copy(self, source: Path, target: Path) -> None:
        """Copy, and remove what is empty."""
        super().copy(source, target)
        subprocess.run(["find", str(target), "-mindepth", "1", "-type", "d", "-empty", "-delete"], check=True)


class LeavesStrays(FullCopies):
    """What the dead command left behind stays beside what comes back."""

    def restore(self, turn: int) -> None:
        """Copy over what is there."""
        kept = self._store / str(turn)
        subprocess.run(["cp", "-a", "--remove-destination", f"{kept}/.", str(self._root)], check=True)


class GoesTooFar(FullCopies):
    """It goes back to the turn before the one that it should."""

    def restore(self, turn: int) -> None:
        """Take the older copy, if there is one."""
        super().restore(turn - 1 if (self._store / str(turn - 1)).exists() else turn)


CAUGHT_BY: Final[dict[str, tuple[MakeRestorer, str]]] = {
    "modes": (ForgetsModes, "modes of every kind"),
    "times": (ForgetsTimes, "newer than a stamp"),
    "sharing": (ForgetsSharing, "hard links"),
    "empty directories": (ForgetsHollows, "empty directories and FIFOs"),
    "strays": (LeavesStrays, "a symlink farm"),
    "the right turn": (GoesTooFar, "log rotation"),
}
"""what is forgotten -> by whom, and a task that shows it"""
