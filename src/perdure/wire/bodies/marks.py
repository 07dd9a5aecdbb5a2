"""The client's own marks of the cache, on blocks of content."""

from perdure.wire.bodies.spans import elements, members

_NAME = b'"cache_control"'


def mark_in(blocks: bytes) -> bytes:
    """Return the value of the last mark that stands on a block of the array ``blocks``; empty where none does."""
    if _NAME not in blocks:
        return b""
    for place in reversed(elements(blocks)):
        block = blocks[place.start : place.end]
        mark = members(block).get("cache_control") if block[:1] == b"{" else None
        if mark is not None:
            return block[mark.start : mark.end]
    return b""


def marked(block: bytes, mark: bytes) -> bytes:
    """Return the object ``block``, which has no mark, with one; with an empty mark, as it is."""
    return b"{%b:%b,%b" % (_NAME, mark, block[1:]) if mark else block
