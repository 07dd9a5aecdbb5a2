"""Which paths of the workspace a command may change."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from perdure.contract.paths import Glob, Unclear, glob_of, let_through, resolved


class WriteReach(NamedTuple):
    """Globs as a contract spells them: relative to the workspace, ``!`` forbids. Every bound must let a path through."""

    bounds: tuple[tuple[Glob, ...], ...]

    @classmethod
    def of(cls, *bounds: Iterable[str]) -> "WriteReach":
        """Compile the lines of each bound; raises ``BadGlob``."""
        return cls(tuple(tuple(glob_of(line) for line in lines) for lines in bounds))

    def allows(self, path: str) -> bool:
        """Tell whether ``path`` of the workspace may be changed; what can't be read in one way may not."""
        spelled = resolved(path)
        return not isinstance(spelled, Unclear) and all(let_through(globs, spelled) for globs in self.bounds)

    def everything(self) -> bool:
        """Tell whether there is nothing to judge."""
        return all({glob.text for glob in globs} == {"**"} for globs in self.bounds)

    def writable(self, root: Path) -> Sequence[Path]:
        """Return the directories and files of ``root`` that may be changed as a whole.

        It is what can be held without judging each change: globs of the form ``a/b/**`` and plain names
        of files that exist. Where something is forbidden within, or several bounds have to agree, nothing
        can be held like that.
        """
        bounds = [globs for globs in self.bounds if {glob.text for glob in globs} != {"**"}]
        if len(bounds) != 1 or any(glob.forbids for glob in bounds[0]):
            return ()
        found = [root / glob.text.removesuffix("/**") for glob in bounds[0] if _plain(glob.text)]
        return sorted(path for path in found if _inside(path, root))


def _plain(text: str) -> bool:
    body = text.removesuffix("/**")
    return not text.startswith("/") and not set(body) & set("*?[")


def _inside(path: Path, root: Path) -> bool:
    """Whether ``path`` exists and no link on the way to it leads elsewhere; a glob for a file is no folder."""
    return path.exists() and path.resolve() == root / path.relative_to(root)
