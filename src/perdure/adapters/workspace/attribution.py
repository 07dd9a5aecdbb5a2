"""Whose a change is: a tool's that said so, somebody's while an effect ran, or nobody's that we know."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from perdure.adapters.workspace.marks import CTIME, GRAIN_NS, Marks
from perdure.adapters.workspace.nodes import Folder, at
from perdure.checkpoint.compare import PathDifference
from perdure.checkpoint.inspection import Window
from perdure.checkpoint.tree import spelled
from perdure.log.events import PathChanged

TOOL: Final = "tool"
WINDOW: Final = "window"
UNKNOWN: Final = "unknown"


class Seen(NamedTuple):
    """The nodes of the pass before, if there was one, and of this one; the grain of stamps (ns)."""

    before: Folder | None
    after: Folder
    grain: int


def attributed(
    differences: Sequence[PathDifference], seen: Seen, windows: Sequence[Window], done: Mapping[str, str]
) -> tuple[PathChanged, ...]:
    """Return each lasting difference with who did it.

    ``done`` names the paths that tools have changed. Else the stamp of the change tells. What is gone took its
    stamp along: that of its directory tells, or of the nearest one that is left. What was moved with its
    directory has an older stamp: it is whoever's that directory is.
    """
    lasting = [each for each in differences if not each.times_only and not _left(each)]
    moved = _moved(lasting, seen.before)
    came: list[tuple[str, str]] = []
    found: list[PathChanged] = []
    for path, change, _, after, _ in lasting:
        by = TOOL if path in done else _by(_stamp(seen.after, path, change), windows, seen.grain)
        while came and not path.startswith(came[-1][0] + "/"):
            came.pop()
        node = at(seen.after, path)
        if by == UNKNOWN and change == "created" and came and node is not None and node.marks in moved:
            by = came[-1][1]
        if change == "created" and after is not None and after.kind == "dir":
            came.append((path, by))
        found.append(PathChanged(spelled(path), change, by))
    return tuple(found)


def _left(difference: PathDifference) -> bool:
    """Whether there is nothing but what a rule leaves out, before and after."""
    return all(entry is None or entry.kind == "left" for entry in (difference.before, difference.after))


def _moved(differences: Sequence[PathDifference], before: Folder | None) -> frozenset[Marks]:
    """Return the marks of what is gone: the same ones elsewhere are the same file."""
    if before is None:
        return frozenset()
    gone = (at(before, path) for path, change, *_ in differences if change == "deleted")
    return frozenset(node.marks for node in gone if node is not None)


def _stamp(top: Folder, path: str, change: str) -> int:
    """Return when the path changed, as far as what is left can tell."""
    node = None if change == "deleted" else at(top, path)
    while node is None:
        path = path.rpartition("/")[0]
        node = at(top, path)
    return node.marks[CTIME]


def _by(stamp: int, windows: Sequence[Window], grain: int) -> str:
    # A stamp is up to a grain older than its change and never younger, unless another machine's clock gave it.
    late = grain - GRAIN_NS
    for window in windows:
        if stamp >= window.begins - grain and (not window.ends or stamp <= window.ends + late):
            return WINDOW
    return UNKNOWN
