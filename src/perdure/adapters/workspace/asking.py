"""What one pass over a workspace has to know."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from perdure.adapters.workspace.marks import GRAIN_NS, MarksOf, marks_of
from perdure.adapters.workspace.nodes import Sheet
from perdure.adapters.workspace.rules import IgnoreRules
from perdure.checkpoint.tree import Entry, encoded

Paths = Mapping[str, frozenset[bytes]]
"""names by directory"""

SettleIndex = Callable[[str, Entry, bytes, Sheet | None], Entry]
"""(path, entry, content, node before) -> the entry of a git index as the tree holds it"""


class LookedFor(NamedTuple):
    """What a pass has to know."""

    rules: IgnoreRules
    now: int
    """ns, read before the pass"""
    owners: bool
    """owners and extended attributes are recorded"""
    mounts: frozenset[str]
    settle_index: SettleIndex
    hot: Paths
    """looked at whatever their marks say"""
    only: Paths | None = None
    """the only names that can have changed, with the directories above them; None for all"""
    anew: bool = False
    """what is left out may be otherwise than in the pass before"""
    grain: int = GRAIN_NS
    marks_of: MarksOf = marks_of


def grouped(paths: Iterable[str]) -> dict[str, frozenset[bytes]]:
    """Return the names in ``paths`` by directory, with those of the directories above them."""
    found: dict[str, set[bytes]] = {}
    for path in paths:
        below = path
        while below:
            folder, _, name = below.rpartition("/")
            names = found.setdefault(folder, set())
            if encoded(name) in names:
                break
            names.add(encoded(name))
            below = folder
    return {folder: frozenset(names) for folder, names in found.items()}
