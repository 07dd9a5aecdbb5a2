"""The versions of a workspace along the path that a run is on: what a rewind left behind is none of them."""

from collections.abc import Iterable
from typing import NamedTuple

from perdure.log import events as e
from perdure.log.envelope import Event


class Version(NamedTuple):
    """A tree, and where it came from."""

    tree: str
    position: int
    """of the event that recorded it"""
    changed: int = 0
    """position of its ``workspace.changed``; 0 for a first recording and for what was put back"""
    key: str = ""
    """the one effect that can have made it; empty where that isn't so"""


class _Step(NamedTuple):
    """A version with the one before it on its path."""

    version: Version
    before: "_Step | None"


def versions(events: Iterable[Event]) -> tuple[Version, ...]:
    """Return the versions on the path at the end of ``events``, oldest first."""
    trail = _Trail()
    change: tuple[int, str] = (0, "")
    for event in events:
        match event.body:
            case e.WorkspaceChanged(key=key):
                change = event.position, key or ""
            case e.CheckpointTaken(tree=tree):
                trail.add(Version(tree, event.position, *change))
                change = (0, "")
            case e.CheckpointRestored(tree=tree):
                trail.add(Version(tree, event.position))
            case e.RunRewound(to=to, tree=tree) if tree:
                trail.go_back(event.position, to, tree)
            case _:
                pass
    return trail.path()


class _Trail:
    """All versions of a stream, and which of them the run has come by."""

    def __init__(self) -> None:
        self._known: list[_Step] = []
        self._tips: list[tuple[int, _Step | None]] = []
        """where the path ended, from each position at which that changed"""
        self._tip: _Step | None = None

    def add(self, version: Version) -> None:
        self._tip = _Step(version, self._tip)
        self._known.append(self._tip)
        self._tips.append((version.position, self._tip))

    def go_back(self, at: int, to: int, tree: str) -> None:
        """The path is the one at ``to`` again, with what was recorded there only later."""
        tip = next((tip for position, tip in reversed(self._tips) if position <= to), None)
        late = (step for step in self._known if step.before is tip and step.version.tree == tree)
        self._tip = next(late, tip)
        self._tips.append((at, self._tip))

    def path(self) -> tuple[Version, ...]:
        found: list[Version] = []
        step = self._tip
        while step is not None:
            found.append(step.version)
            step = step.before
        return tuple(reversed(found))
