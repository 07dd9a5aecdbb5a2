"""What this machine allows for workspaces, rung by rung, found out by doing it."""

import tempfile
from pathlib import Path
from typing import NamedTuple

from perdure.assembly.files.shelter import ladder_of


class Rung(NamedTuple):
    """One rung of the ladder: its level, whether it can be had, what programs see there, else why not and the cure."""

    name: str
    level: str
    ok: bool
    sees: str
    why: str
    cure: str


def levels_here() -> tuple[Rung, ...]:
    """Return the ladder of this machine, lowest first, tried in a temporary workspace; takes about a second."""
    with tempfile.TemporaryDirectory(prefix="perdure-probe-") as place:
        root, scratch = Path(place) / "workspace", Path(place) / "scratch"
        root.mkdir()
        scratch.mkdir()
        found = ladder_of(root, scratch)
        return tuple(
            Rung(each.name, each.level, each.ok, each.sees, each.why, each.cure) for each in found.rungs
        )
