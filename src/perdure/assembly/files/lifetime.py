"""When processes that worked in a workspace began and died, written down by who outlives each: a shell at a pipe.

Invariants:
- An end is never told earlier than it was.
- Where nobody could write an end down (a power cut, a kill of all processes), no life up to it is told.
"""

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from perdure.adapters.workspace.marks import GRAIN_NS
from perdure.checkpoint.inspection import Window
from perdure.values.limits import DYING_NS, LIVES_MAX

_WATCH: Final = 'read -r _; : >"$0"'
_END: Final = "-end"


class WriterLife(NamedTuple):
    """One process at work, in ns since the epoch."""

    begins: int
    ends: int


class Lifetime:
    """The life of this process beside one workspace, to ``over`` or to the end of the process."""

    def __init__(self, folder: Path) -> None:
        """Live; ``folder`` is outside of the workspace, and this run's alone."""
        folder.mkdir(parents=True, exist_ok=True)
        self.before: tuple[WriterLife, ...] = _told(folder)
        """lives whose ends are known, oldest first; the last one is the one right before"""
        self.since: int = time.time_ns()
        """when this life began, in ns since the epoch"""
        name = folder / str(self.since)
        name.touch()
        waits, self._held = os.pipe()
        try:
            self._watcher: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - our own words
                ("/bin/sh", "-c", _WATCH, f"{name}{_END}"),
                stdin=waits,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._held)
            raise
        finally:
            os.close(waits)

    def over(self) -> None:
        """It has ended, and that is written down."""
        # Not by closing alone: a process that was forked off from this one may hold the same end.
        with suppress(BrokenPipeError):
            os.write(self._held, b"\n")
        os.close(self._held)
        self._watcher.wait()


def lived(windows: Sequence[Window], lives: Sequence[WriterLife], since: int) -> tuple[Window, ...]:
    """Return ``windows`` in which those without an end hold only while one of ``lives`` lasted.

    Without lives nothing is known, and they stay open. One that began at ``since`` or later is of this life.
    """
    found: list[Window] = []
    for each in windows:
        if each.ends or not lives or each.begins >= since:
            found.append(each)
            continue
        for place, life in enumerate(lives):
            begins = max(each.begins, life.begins) if place else each.begins
            # Ends are stamps of the file system, up to a grain older than what the clock said of a beginning.
            if life.ends + GRAIN_NS >= each.begins:
                found.append(Window(each.key, begins, life.ends + DYING_NS))
    return tuple(found)


def _told(folder: Path) -> tuple[WriterLife, ...]:
    """Return what is written of the newest lives, and clear away what is older or tells nothing."""
    begun = sorted((int(path.name), path) for path in folder.iterdir() if path.name.isdecimal())
    lives: list[WriterLife] = []
    for begins, path in begun:
        end = path.with_name(f"{path.name}{_END}")
        if not end.exists():
            lives.clear()
        else:
            lives.append(WriterLife(begins, end.stat().st_mtime_ns))
    for begins, path in begun:
        if begins not in {life.begins for life in lives[-LIVES_MAX:]}:
            path.unlink()
            path.with_name(f"{path.name}{_END}").unlink(missing_ok=True)
    return tuple(lives[-LIVES_MAX:])
