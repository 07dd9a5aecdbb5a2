"""Lines of a session's file: read, and one value in them put in another's place with every other byte as it was."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from perdure.values.digest import Json
from perdure.values.errors import SessionUnknown
from perdure.values.limits import SESSION_BYTES_MAX
from perdure.wire.bodies.spans import FAULTS, decoded, members
from perdure.wrap.transcripts.nouns import Record

_SURROGATES: Final = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


class Lines(NamedTuple):
    """A session's file, once whole as bytes and once as what they say."""

    raw: tuple[bytes, ...]
    records: tuple[Record, ...]


def read_lines(path: Path) -> Lines:
    """Return the whole lines of ``path``; one that was torn off at the end is none.

    Raises ``SessionUnknown`` where it can't be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > SESSION_BYTES_MAX:
                raise SessionUnknown(f"{path} is larger than {SESSION_BYTES_MAX >> 20} MB")
            content = file.read(SESSION_BYTES_MAX)
    except OSError as error:
        raise SessionUnknown(f"{path} can't be read: {error.strerror or error}") from error
    raw = content.split(b"\n")
    # What follows the last line end is nothing, or a line that is being written.
    if raw[-1] and _record(raw[-1]):
        raw.append(b"")
    whole = tuple(line for line in raw[:-1] if line.strip())
    return Lines(whole, tuple(map(_record, whole)))


def replaced(line: bytes, way: Sequence[str], value: str) -> bytes:
    """Return ``line`` with ``value`` where the names of ``way`` lead; as it is where they lead nowhere."""
    start, part = 0, _masked(line)
    for name in way:
        try:
            place = members(part).get(name)
        except FAULTS:
            return line
        if place is None:
            return line
        start, part = start + place.start, part[place.start : place.end]
    return line[:start] + msgspec.json.encode(value) + line[start + len(part) :]


def _masked(line: bytes) -> bytes:
    """Return what can be read in place of ``line``, each value at its place.

    JavaScript writes halves of surrogate pairs, which no text has: signs of the same length stand for those.
    """
    try:
        decoded(line)
    except FAULTS:
        return _SURROGATES.sub(lambda _: rb"\u003f", line)
    return line


def _record(line: bytes) -> Record:
    try:
        value: Json = decoded(_masked(line))
    except FAULTS:
        return {}
    return value if isinstance(value, dict) else {}
