"""git's index: what it says, apart from the marks of files that it keeps to be quick.

``git status`` writes the index anew with fresh marks and nothing else, which is no change of the workspace.

The form is that of git's ``index-format``: a header, entries of ten words, a name and flags, then extensions, and
a checksum. Two indexes with the same ``meaning`` stage the same contents under the same names.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

_HEADER_BYTES: Final = 12
_MARKS: Final = 40
"""ten words: ctime, mtime, device, inode, mode, user, group, size"""
_MODE: Final = slice(24, 28)
_EXTENDED: Final = 0x4000
_LENGTH: Final = 0x0FFF
_DERIVED: Final = (b"TREE", b"UNTR", b"FSMN", b"EOIE", b"IEOT")
"""Extensions that git makes anew from the rest: caches and offsets."""


def is_index(path: str) -> bool:
    """Whether ``path`` is where git keeps an index: of a repository, a module or a work tree."""
    folder, _, name = path.rpartition("/")
    return name == "index" and ".git" in folder.split("/")


def meaning(content: bytes) -> bytes | None:
    """Return what names the index's meaning, or None if ``content`` is no index that we can read."""
    hasher = hashlib.sha256()
    try:
        for part in _parts(content):
            hasher.update(part)
    except (IndexError, ValueError):
        return None
    return hasher.digest()


def _parts(content: bytes) -> Iterator[bytes]:
    version, count = _number(content, 4), _number(content, 8)
    if content[:4] != b"DIRC" or version not in {2, 3, 4}:
        raise ValueError("no index, or a newer one")
    # Object names are SHA-1 or, in repositories of that kind, SHA-256; the index's own checksum tells which.
    wide = _checksum_bytes(content)
    yield version.to_bytes(4, "big")
    position = _HEADER_BYTES
    for _ in range(count):
        start = position
        position += _MARKS + wide
        flags = int.from_bytes(content[position : position + 2], "big")
        position += 4 if version > 2 and flags & _EXTENDED else 2
        yield content[start:position][_MODE]
        yield content[start + _MARKS : position]
        if version == 4:
            ends = content.index(b"\0", _after_number(content, position)) + 1
            yield content[position:ends]
        else:
            ends = content.index(b"\0", position + _shortest(flags))
            yield content[position : ends + 1]
            ends = start + (ends - start + 8) // 8 * 8
        position = ends
    yield from _extensions(content, position, len(content) - wide)


def _shortest(flags: int) -> int:
    """Return how many bytes of a name need not be searched for its end."""
    return min(flags & _LENGTH, _LENGTH)


def _after_number(content: bytes, position: int) -> int:
    """Return where a number of variable length that stands at ``position`` has ended."""
    while content[position] & 0x80:
        position += 1
    return position + 1


def _extensions(content: bytes, position: int, end: int) -> Iterator[bytes]:
    while position < end:
        name = content[position : position + 4]
        after = position + 8 + _number(content, position + 4)
        if after > end:
            raise ValueError("an extension is longer than the file")
        if name not in _DERIVED:
            yield content[position:after]
        position = after


def _number(content: bytes, position: int) -> int:
    word = content[position : position + 4]
    if len(word) < 4:
        raise ValueError("the file ends within a number")
    return int.from_bytes(word, "big")


def _checksum_bytes(content: bytes) -> int:
    for wide, name in ((20, "sha1"), (32, "sha256")):
        if hashlib.new(name, content[:-wide], usedforsecurity=False).digest() == content[-wide:]:
            return wide
    if content[-20:] == bytes(20):
        # ``index.skipHash`` leaves it out.
        return 20
    raise ValueError("the checksum is not that of the content")
