"""JSON taken apart one level deep and put together again: every value in it stays the bytes that it was."""

import json
from collections.abc import Iterable, Mapping
from typing import Final, cast

import msgspec

from perdure.values.digest import Json
from perdure.wire.bodies.spans import FAULTS, decoded
from perdure.wire.spelling import clean, clean_text

Members = dict[str, msgspec.Raw]

_members = msgspec.json.Decoder(Members).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode
EMPTY: Final = b"{}"
_NULL: Final = msgspec.Raw(b"null")


def parsed(text: bytes) -> dict[str, Json] | None:
    """Return the object that ``text`` spells; None where it spells none."""
    try:
        value = decoded(text)
    except FAULTS:
        value = _parsed_leniently(text)
    return value if isinstance(value, dict) else None


def _parsed_leniently(text: bytes) -> Json:
    """Read once more what may hold halves of a surrogate pair: a stream can cut a character in two."""
    if b"\\u" not in text:
        return None
    try:
        return cast("Json", json.loads(text))
    except FAULTS:
        return None


def members_of(text: bytes | msgspec.Raw) -> Members:
    """Return the values of an object under their names; none where ``text`` is no object."""
    try:
        return _members(text)
    except FAULTS:
        value = _parsed_leniently(bytes(text))
    if not isinstance(value, dict):
        return {}
    return {clean_text(name): msgspec.Raw(json.dumps(part).encode()) for name, part in value.items()}


def member_of(text: bytes | msgspec.Raw, name: str) -> bytes:
    """Return the value under ``name`` of an object as it is spelled there; 'null' where there is none."""
    return bytes(members_of(text).get(name, _NULL))


def elements_of(text: bytes | msgspec.Raw) -> list[bytes]:
    """Return the elements of an array; none where ``text`` is no array."""
    try:
        return [bytes(element) for element in _elements(text)]
    except FAULTS:
        value = _parsed_leniently(bytes(text))
    return [json.dumps(element).encode() for element in value] if isinstance(value, list) else []


def object_of(members: Mapping[str, msgspec.Raw]) -> bytes:
    """Return the object that ``members`` make up."""
    return _encode(members)


def array_of(elements: Iterable[bytes]) -> bytes:
    """Return the array that ``elements`` make up."""
    return b"[%b]" % b",".join(elements)


def spelled(value: Json) -> bytes:
    """Return ``value`` as JSON."""
    return _encode(clean(value))


def raw(value: Json) -> msgspec.Raw:
    """Return ``value`` spelled, to stand among members."""
    return msgspec.Raw(spelled(value))


def with_members(text: bytes, **values: Json) -> bytes:
    """Return the object ``text`` with ``values`` in place of what stood under their names, or behind the rest."""
    return object_of({**members_of(text), **{name: raw(value) for name, value in values.items()}})


def is_object(text: bytes) -> bool:
    """Tell whether ``text`` spells one object."""
    return isinstance(parsed(text), dict)
