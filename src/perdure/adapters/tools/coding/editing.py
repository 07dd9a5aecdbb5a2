"""One piece of a text put in the place of another: pure, and it says why it can't."""

from collections.abc import Iterator
from typing import NamedTuple

from perdure.adapters.tools.coding.text import Text, decoded, encoded, is_binary, written
from perdure.adapters.tools.outcomes import NotDone
from perdure.values.limits import EDIT_PLACES_SHOWN_MAX


class Edited(NamedTuple):
    """The new content, and in which lines of the old one something was put."""

    content: bytes
    lines: tuple[int, ...]


def edited(content: bytes, path: str, old: str, new: str, *, everywhere: bool) -> Edited:
    """Return ``content`` with ``new`` where ``old`` stands: in its one place, or everywhere.

    Raises ``NotDone`` if it stands nowhere, or more than once and not everywhere is meant.
    """
    if is_binary(content):
        raise NotDone(f"{path!r} is no text; use the shell")
    _ = written(old, name="old"), written(new, name="new")
    if not old:
        raise NotDone("old is empty: give the text that is to be replaced, or use write for a new file")
    text = decoded(content)
    piece, put = _spelled(text, old, new)
    if piece == put:
        raise NotDone("old and new are the same: nothing would change")
    lines = tuple(_places(text.words, piece))
    if not lines:
        raise NotDone(_missing(text.words, path, piece))
    if len(lines) > 1 and not everywhere:
        raise NotDone(
            f"old stands {len(lines)} times in {path!r}, in {_listed(lines)}: give more of the text around "
            "the place you mean, or all=true"
        )
    return Edited(encoded(text._replace(words=text.words.replace(piece, put))), lines)


def _spelled(text: Text, old: str, new: str) -> tuple[str, str]:
    """Return both as ``text`` ends its lines."""
    if text.crlf:
        return old.replace("\r\n", "\n"), new.replace("\r\n", "\n")
    if old not in text.words and "\r" not in old and "\n" in old:
        ended = old.replace("\n", "\r\n")
        if ended in text.words:  # lines of both kinds in one file
            return ended, new.replace("\r\n", "\n").replace("\n", "\r\n")
    return old, new


def _places(words: str, piece: str) -> Iterator[int]:
    """Yield the line of each place where ``piece`` stands, as ``str.replace`` finds them."""
    line, counted = 1, 0
    place = words.find(piece)
    while place >= 0:
        line += words.count("\n", counted, place)
        counted = place
        yield line
        place = words.find(piece, place + len(piece))


def _missing(words: str, path: str, piece: str) -> str:
    """Return why it stands nowhere: the nearest that there is, in other white space or by its first line."""
    said = f"old does not stand in {path!r}"
    bare = "".join(piece.split())
    if bare and bare in "".join(words.split()):
        return f"{said}, but with other white space it does: read those lines again and copy them as they are"
    first = next((line.strip() for line in piece.split("\n") if line.strip()), "")
    near = tuple(_places(words, first)) if first else ()
    if near and first != piece:
        return f"{said}; its first line stands in {_listed(near)}, and goes on otherwise"
    return f"{said}; read the file again"


def _listed(lines: tuple[int, ...]) -> str:
    shown = ", ".join(str(line) for line in lines[:EDIT_PLACES_SHOWN_MAX])
    more = len(lines) - EDIT_PLACES_SHOWN_MAX
    return f"line{'s' if len(lines) > 1 else ''} {shown}{f' and {more} more' if more > 0 else ''}"
