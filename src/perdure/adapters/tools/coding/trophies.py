"""What a search has found, as the model sees it: ``path:line:text``, and ``path-line-text`` around it."""

from typing import NamedTuple

from perdure.adapters.tools.coding.files import read_whole
from perdure.adapters.tools.coding.searching import Query
from perdure.adapters.tools.coding.text import shown
from perdure.values.limits import EDIT_BYTES_MAX, LINE_BYTES_MAX

_MARK = b"\xef\xbb\xbf"


class Hunt(NamedTuple):
    """A search for lines, as it was asked for."""

    query: Query
    glob: str
    """only files like this; '' means all"""
    context: int
    """lines to show before and after each match"""
    names_only: bool
    shown_max: int


class Quarry(NamedTuple):
    """A file that is searched."""

    path: str
    descriptor: int
    plain: bool
    """it is UTF-8 with plain ends of lines"""


class Trophies:
    """The matches so far, up to one more than may be shown."""

    def __init__(self, hunt: Hunt) -> None:
        """Begin with none."""
        self._hunt: Hunt = hunt
        self._said: list[str] = []
        self._count: int = 0
        self.too_large: list[str] = []
        """files that were not searched"""

    @property
    def full(self) -> bool:
        """Whether there is more than may be shown."""
        return self._count > self._hunt.shown_max

    def add(self, file: Quarry, numbers: list[int]) -> None:
        """Add the matching lines of a file, which is still open; what there is no room for is not shown."""
        room = self._hunt.shown_max - self._count
        if not numbers or room < 0:
            return
        if self._hunt.names_only:
            self._count += 1
            self._said += [file.path] if room else []
            return
        self._count += len(numbers)
        content = read_whole(file.descriptor, bytes_max=EDIT_BYTES_MAX) or b""
        self._said += self._lines(file.path, content.removeprefix(_MARK), numbers[:room])

    def text(self, notes: list[str]) -> str:
        """Return all of it, with ``notes`` at the end."""
        if self.full:
            what = "files" if self._hunt.names_only else "matches"
            notes = [f"[the first {self._hunt.shown_max} {what}; there are more]", *notes]
        if self.too_large:
            notes = [*notes, f"[not searched, being large: {', '.join(self.too_large[:8])}]"]
        return "\n".join([*self._said, *notes] if self._said else ["[nothing matches]", *notes])

    def _lines(self, path: str, content: bytes, numbers: list[int]) -> list[str]:
        lines = content.split(b"\n")
        if not lines[-1]:
            lines.pop()
        around = self._hunt.context
        chosen = set(numbers)
        near = sorted({
            each
            for number in numbers
            for each in range(max(number - around, 1), min(number + around, len(lines)) + 1)
        })  # fmt: skip
        said: list[str] = []
        if around and self._said and near:
            said.append("--")
        for place, number in enumerate(near):
            if around and place and number > near[place - 1] + 1:
                said.append("--")
            sign = ":" if number in chosen else "-"
            said.append(f"{path}{sign}{number}{sign}{_shortened(lines[number - 1])}")
        return said


def _shortened(line: bytes) -> str:
    line = line.removesuffix(b"\r")
    over = len(line) - LINE_BYTES_MAX
    if over <= 0:
        return shown(line)[0]
    return f"{shown(line[:LINE_BYTES_MAX], cut=True)[0]} [+{over} bytes]"
