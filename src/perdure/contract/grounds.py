"""Where a tool may read and write, for those who meet paths that no argument named.

A gate judges what a call says. Whoever follows a symbolic link, walks a directory or looks at what a
command has changed asks here, with the path where it arrived.
"""

from collections.abc import Sequence
from typing import NamedTuple

from perdure.contract.gates import Bound, bounds_of
from perdure.contract.paths import Unclear, glob_of, let_through, resolved
from perdure.contract.problems import Findings
from perdure.contract.rules import Contract, ToolRules


class Grounds(NamedTuple):
    """The bounds of one tool; all of them must let a path through."""

    read: tuple[Bound, ...]
    write: tuple[Bound, ...]

    def barred(self, *, write: bool, path: str) -> str:
        """Return why ``path`` (relative to the workspace) may not be touched; '' where it may."""
        bounds = self.write if write else self.read
        if not bounds:
            return ""
        deed = "written" if write else "read"
        place = resolved(path)
        if isinstance(place, Unclear):
            return f"{path!r} {place.why}, and so may not be {deed}"
        for bound in bounds:
            if not let_through(bound.paths, place):
                return f"{path!r} may not be {deed}; what may be {deed}: {', '.join(bound.texts[:12]) or 'nothing'}"
        return ""


def grounds_of(contract: Contract, tool: str, *, hidden: Sequence[str] = ()) -> Grounds:
    """Return where ``tool`` may read and write; ``hidden`` are globs of what no tool may touch.

    The contract has to be one that a law was made of: what is wrong with it is not told here.
    """
    ignored = Findings(contract)
    common = bounds_of(contract.reach, "reach", ignored)
    own = bounds_of(contract.tools.get(tool, ToolRules()).reach, f"tools/{tool}/reach", ignored)
    globs = tuple(f"!{glob}" for glob in hidden)
    secret = (Bound(globs, tuple(glob_of(text) for text in (*globs, "**")), ()),) if globs else ()
    return Grounds(
        (*secret, *(bounds["read"] for bounds in (common, own) if "read" in bounds)),
        (*secret, *(bounds["write"] for bounds in (common, own) if "write" in bounds)),
    )
