"""Where the parts of a JSON value stand, exactly.

msgspec reads the value at the speed of C and gives each part's own bytes, but not its place. The walk here finds the
places, and goes on only where a part stands as msgspec gave it. That is exact: a complete JSON value is never the
beginning of another one, numbers apart, and after a number a comma or a bracket is demanded. A name that stands twice
ends the walk, since readers differ on which of the two counts.
"""

import re
from collections.abc import Callable
from typing import Final

import msgspec

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Span

FAULTS: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""What bytes that are no JSON, or no text, or too deep, are answered with."""


class Unreadable(ValueError):
    """Bytes that can't be read in one way only."""


_OPENING: Final = re.compile(rb"[ \t\n\r]*[\[{][ \t\n\r]*")
_NAME: Final = re.compile(rb'("(?:[^"\\]|\\.)*+")[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)
_NEXT: Final = re.compile(rb"[ \t\n\r]*([,\]}])[ \t\n\r]*")

_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_name = msgspec.json.Decoder(str).decode
decoded: Final[Callable[[bytes], Json]] = msgspec.json.Decoder().decode
"""Reads a whole value; raises one of ``FAULTS``."""


def members(value: bytes) -> dict[str, Span]:
    """Return where the values of an object's names stand in ``value``."""
    found = _object(value)
    places: dict[str, Span] = {}
    at = _after(_OPENING.match(value))
    while len(places) < len(found):
        named = _NAME.match(value, at)
        if named is None:
            raise Unreadable("a name stands twice")
        name = _name(named[1])
        start = named.end()
        part = bytes(found.get(name, b""))
        if name in places or not part or not value.startswith(part, start):
            raise Unreadable("a name stands twice")
        places[name] = Span(start, start + len(part))
        at = _separated(value, start + len(part), last=len(places) == len(found), close=b"}")
    if not found:
        _separated(value, at, last=True, close=b"}")
    return places


def elements(value: bytes, known: int = 0) -> list[Span]:
    """Return where the elements of an array stand in ``value``; those behind ``known``, where one ends, if it is given."""
    if known:
        return _elements_behind(value, known)
    found = _array(value)
    places: list[Span] = []
    at, close = _after(_OPENING.match(value)), b","
    for part in found:
        end = at + memoryview(part).nbytes
        places.append(Span(at, end))
        match = _NEXT.match(value, end)
        if match is None or close != b",":
            raise Unreadable("an element does not end where it was read to end")
        at, close = match.end(), match[1]
    if not found:
        _separated(value, at, last=True, close=b"]")
    elif close != b"]" or at != len(value):
        raise Unreadable("an array does not end where it was read to end")
    return places


def _elements_behind(value: bytes, end: int) -> list[Span]:
    match = _NEXT.match(value, end)
    if match is None or match[1] == b"}":
        raise Unreadable("an element does not end where it was read to end")
    if match[1] == b"]":
        if match.end() != len(value):
            raise Unreadable("an array does not end where it was read to end")
        return []
    found = elements(b"[" + value[match.end() :])
    if not found:
        raise Unreadable("an array ends with a comma")
    return [place.within(match.end() - 1) for place in found]


def _after(opening: re.Match[bytes] | None) -> int:
    if opening is None:
        raise Unreadable("no object or array begins there")
    return opening.end()


def _separated(value: bytes, at: int, *, last: bool, close: bytes) -> int:
    """Return where the next part begins; demand that the last part is followed by the end of all."""
    match = _NEXT.match(value, at)
    if match is None or match[1] != (close if last else b",") or (last and match.end() != len(value)):
        raise Unreadable("a part does not end where it was read to end")
    return match.end()
