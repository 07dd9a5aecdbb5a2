r"""Bytes of a file as text, and back without changing what wasn't touched.

Invariants:
- ``encoded(decoded(content)) == content`` for every content that is no binary: bytes that are not UTF-8
  come back as they were, and so do a byte order mark and the ends of lines.
- Where all lines end with CRLF, the text has ``\n`` alone, as a model writes it; where they are mixed, the
  text has them as they are.
"""

import codecs
from typing import NamedTuple

from perdure.adapters.tools.outcomes import NotDone
from perdure.values.limits import BINARY_LOOK_BYTES

_MARK = b"\xef\xbb\xbf"


class Text(NamedTuple):
    """A file's text and what it takes to write it back."""

    words: str
    marked: bool = False
    """it begins with a byte order mark"""
    crlf: bool = False
    """all its lines end with CRLF"""


def is_binary(start: bytes) -> bool:
    """Tell whether a file that begins with ``start`` holds bytes that are no text."""
    return b"\0" in start[:BINARY_LOOK_BYTES]


def decoded(content: bytes) -> Text:
    """Return the text of ``content``."""
    marked = content.startswith(_MARK)
    words = content.removeprefix(_MARK).decode("utf-8", "surrogateescape")
    ends = words.count("\r\n")
    crlf = 0 < ends == words.count("\n") == words.count("\r")
    return Text(words.replace("\r\n", "\n") if crlf else words, marked, crlf)


def encoded(text: Text) -> bytes:
    """Return the content of a file with that text."""
    words = text.words.replace("\n", "\r\n") if text.crlf else text.words
    return (_MARK if text.marked else b"") + words.encode("utf-8", "surrogateescape")


def written(content: str, *, name: str) -> bytes:
    """Return what the model wrote as UTF-8; raise ``NotDone`` if it holds what no file can."""
    try:
        return content.encode()
    except UnicodeEncodeError as error:
        raise NotDone(f"{name} holds half of a surrogate pair at character {error.start}") from error


def shown(line: bytes, *, cut: bool = False) -> tuple[str, bool]:
    """Return a line for a reader, and whether all of it is UTF-8; what isn't is shown as U+FFFD.

    ``cut``: it goes on, and a letter that is halved at its end is left out.
    """
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(line, not cut), True
    except UnicodeDecodeError:
        return codecs.getincrementaldecoder("utf-8")("replace").decode(line, not cut), False
