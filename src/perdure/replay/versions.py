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


def versions(events: Iterable[Event]) -> tuple[Version, ...]:
    """Return the versions on the path at the end of ``events``, oldest first."""
    path: list[Version] = []
    change: tuple[int, str] = (0, "")
    for event in events:
        match event.body:
            case e.WorkspaceChanged(key=key):
                change = event.position, key or ""
            case e.CheckpointTaken(tree=tree):
                path.append(Version(tree, event.position, *change))
                change = (0, "")
            case e.CheckpointRestored(tree=tree):
                path.append(Version(tree, event.position))
            case e.RunRewound(to=to):
                path = [version for version in path if version.position <= to]
            case _:
                pass
    return tuple(path)
