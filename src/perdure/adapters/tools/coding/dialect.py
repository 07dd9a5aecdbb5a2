r"""A Python regular expression said in ripgrep's words, where it means the same there; elsewhere None.

The meaning is Python's, with ``re.ASCII``: ``\w``, ``\d``, ``\s``, ``\b`` and ignoring case go by ASCII, and ``.``
is one character. It is said for ripgrep's ``--no-unicode``, where what must match a whole character is marked
as such. Only whether a line matches counts, so greedy, lazy and the order of alternatives are alike.
"""

import re
from typing import Final

_WORD: Final = {"w": "0-9A-Za-z_", "d": "0-9", "s": r" \t\n\r\x0b\x0c"}
_TOKEN: Final = re.compile(
    r"(?P<class>\[\^?(?:[^\\\[\]^&~-](?:-[A-Za-z0-9])?|\\[wds])+\])"
    r"|(?P<escape>\\[wdsWDS]|\\b(?![*+?])|\\[.^$*+?()\[\]{}|\\/-]|\\[nrtfv])"
    r"|(?P<dot>\.)"
    r"|(?P<group>\((?:\?:|(?!\?))|\))"
    r"|(?P<repeat>[*+?]\??(?![*+?]))"
    r"|(?P<anchor>[$^](?![*+?]))"
    r"|(?P<rest>.)"
)
_LEFT_OUT: Final = frozenset("([]{}*+?^$\\")
"""What no token above takes: counts, classes of another shape, repetitions of a third kind."""


def for_ripgrep(pattern: str, *, ignore_case: bool) -> str | None:
    """Return ``pattern`` for ripgrep; None where ripgrep could read it otherwise than Python."""
    if not pattern.isascii() or not pattern.isprintable():
        return None
    said: list[str] = []
    at = 0
    while at < len(pattern):
        found = _TOKEN.match(pattern, at)
        word = None if found is None else _said(found, ignore_case=ignore_case)
        if found is None or word is None:
            return None
        said.append(word)
        at = found.end()
    return "".join(said)


def _said(found: re.Match[str], *, ignore_case: bool) -> str | None:
    text = found[0]
    match found.lastgroup:
        case "class" if text.startswith("[^"):
            inside = re.sub(r"\\([wds])", lambda each: _WORD[each[1]], text[2:-1])
            # a Unicode class ignores case by Unicode
            return None if ignore_case else f"(?u:[^{inside}])"
        case "escape" if text[1] in "WDS":
            return f"(?u:[^{_WORD[text[1].lower()]}])"
        case "dot":
            return r"(?u:[^\n])"
        case "rest":
            return None if text in _LEFT_OUT else text
        case _:
            return text
