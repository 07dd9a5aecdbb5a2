"""A file, or some lines of it, as the model sees them: numbered, bounded, and with what was left out said.

Memory stays within one line and what is shown, whatever the size of the file.
"""

import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from perdure.adapters.tools.coding.text import is_binary, shown
from perdure.adapters.tools.outcomes import NotDone
from perdure.values.limits import (
    BINARY_LOOK_BYTES,
    LINE_BYTES_MAX,
    READ_CHARACTERS_MAX,
    SCAN_BYTES_MAX,
)

_MARK = b"\xef\xbb\xbf"
_GULP = 1024 * 1024


class _Line(NamedTuple):
    """A line without its end: as much of it as is shown, and how many bytes of it are not."""

    text: bytes
    cut: int


def excerpt(descriptor: int, path: str, *, offset: int, limit: int) -> str:
    """Return ``limit`` lines from line ``offset`` (from 1), as ``number<tab>text``, and notes in brackets.

    Raises ``NotDone`` for bytes that are no text and for lines that are not there.
    """
    if is_binary(os.pread(descriptor, BINARY_LOOK_BYTES, 0)):
        size = os.fstat(descriptor).st_size
        raise NotDone(f"{path!r} is no text ({size} bytes, with zero bytes at its beginning); use the shell")
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return _told(file, path, offset=offset, limit=limit)


def _told(file: BinaryIO, path: str, *, offset: int, limit: int) -> str:
    said: list[str] = []
    characters, number, last, odd = 0, 0, 0, 0
    for number, line in enumerate(_lines(file), 1):
        if number < offset:
            continue
        text, clean = shown(line.text, cut=line.cut > 0)
        more = f" [+{line.cut} bytes]" if line.cut else ""
        characters += len(text)
        if len(said) == limit or (said and characters > READ_CHARACTERS_MAX):
            break
        odd += not clean
        said.append(f"{number}\t{text}{more}")
        last = number
    if not said:
        return _nothing(file, path, offset, number)
    notes = [f"{odd} of these lines hold bytes that are not UTF-8, shown as \ufffd"] if odd else []
    if last < number:
        notes.append(_rest(file, last, number))
    return "\n".join((*said, *(f"[{note}]" for note in notes)))


def _lines(file: BinaryIO) -> Iterator[_Line]:
    """Yield the lines of a file opened for reading bytes, as far as ``SCAN_BYTES_MAX`` allows."""
    first = True
    while file.tell() < SCAN_BYTES_MAX and (piece := file.readline(LINE_BYTES_MAX + 2)):
        length, text = len(piece), piece
        while not piece.endswith(b"\n") and file.tell() < SCAN_BYTES_MAX:
            piece = file.readline(_GULP)
            if not piece:
                break
            length += len(piece)
        end = 2 if piece.endswith(b"\r\n") or (text + piece).endswith(b"\r\n") else piece.endswith(b"\n")
        body = length - end
        text = text[: min(body, LINE_BYTES_MAX)]
        cut = body - len(text)
        yield _Line(text.removeprefix(_MARK) if first else text, cut)
        first = False


def _nothing(file: BinaryIO, path: str, offset: int, lines: int) -> str:
    if file.tell() >= SCAN_BYTES_MAX:
        raise NotDone(
            f"line {offset} of {path!r} is not within its first {SCAN_BYTES_MAX} bytes; use the shell"
        )
    if lines or offset > 1:
        raise NotDone(f"{path!r} has {lines} lines; there is no line {offset}")
    return "[the file is empty]"


def _rest(file: BinaryIO, last: int, counted: int) -> str:
    """Return what to say of the lines behind ``last``; ``counted`` of them all were read so far."""
    ended = True
    total = counted
    while file.tell() < SCAN_BYTES_MAX and (gulp := file.read(_GULP)):
        total += gulp.count(b"\n")
        ended = gulp.endswith(b"\n")
    total += not ended
    size = "more than " if file.tell() >= SCAN_BYTES_MAX else ""
    return f"lines up to {last} of {size}{total}; go on with offset={last + 1}"
