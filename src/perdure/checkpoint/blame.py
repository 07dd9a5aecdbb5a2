"""Where each line of a file comes from, over all its versions."""

from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

from perdure.checkpoint.lines import is_text, matches, split

Origin = TypeVar("Origin")


class Blamed(NamedTuple, Generic[Origin]):
    """One line and the version that brought it. A file without lines is one, whole."""

    origin: Origin
    line: bytes


def blame(versions: Iterable[tuple[Origin, bytes]]) -> tuple[Blamed[Origin], ...]:
    """Return the lines of the newest version with their origins; ``versions`` come oldest first.

    A version with the content of the one before it is the origin of nothing. Where a version is binary or
    larger than ``TEXT_BYTES_MAX``, the lines of the next one all come from that next one. If the newest is,
    it is returned as one line that comes from the version that brought it. Of no versions, nothing is returned.
    """
    lines: list[bytes] = []
    origins: list[Origin] = []
    whole: tuple[Blamed[Origin], ...] = ()
    before: bytes | None = None
    for origin, content in versions:
        if content == before:
            continue
        before = content
        if not is_text(content):
            lines, origins, whole = [], [], (Blamed(origin, content),)
            continue
        after = split(content)
        came = [origin] * len(after)
        for match in matches(lines, after):
            came[match.second : match.second + match.size] = origins[match.first : match.first + match.size]
        lines, origins, whole = after, came, ()
    return whole or tuple(map(Blamed[Origin], origins, lines))
