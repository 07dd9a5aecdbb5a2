"""Blocks of foreign prompts: what a piece of one is, and how it is read out of the APIs' shapes.

Invariants:
- Any JSON at all is read without an error; what has no shape that is known becomes a piece of kind 'other'.
- A picture's characters say nothing of its tokens, so a piece may bring a number of its own.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from perdure.profile.abouts import files_of
from perdure.profile.trace import Kind
from perdure.values.digest import Json, canonical, name_of
from perdure.wire.bodies.about import about_of
from perdure.wire.reading import dicts_in, text_raw

MEDIA_TOKENS: Final = 1_500
"""Of a picture whose size isn't recorded: what the providers charge for one of about a megapixel."""

SIGNATURE_SHARE: Final = 0.6
"""Characters of thought that one character of a signature stands for, where the thought itself isn't recorded.
Measured on sessions that hold the tokens of their replies: 3.7 characters of signature to a token."""

_MEDIA: Final = frozenset(
    {"image", "image_url", "input_image", "document", "file", "input_file", "input_audio"}
)
_SAID: Final = frozenset({"text", "input_text", "output_text", "summary_text", "reasoning_text", "refusal"})

_objects = msgspec.json.Decoder(dict[str, Json])


class Inquiry(NamedTuple):
    """A call as its result refers to it."""

    tool: str = ""
    about: str = ""
    digest: str = ""
    paths: tuple[str, ...] = ()


class Snippet(NamedTuple):
    """One block, with its text for as long as it is read."""

    kind: Kind
    text: str
    size: int = -1
    """characters that it counts as, where that is not the text's length"""
    tokens: int = -1
    """where they are known without counting characters"""
    asked: Inquiry = Inquiry()
    call_id: str = ""
    exempt: str = ""
    words: str = ""
    """what quotes are looked for in, where that is not the text: a call's texts without their spelling"""

    @property
    def characters(self) -> int:
        """What its tokens are estimated from."""
        return len(self.text) if self.size < 0 else self.size


def call_of(tool: str, arguments: Json, place: str = "") -> Inquiry:
    """Return the call of ``tool``; ``place`` is the directory that relative paths start from."""
    shape = _object(arguments)
    try:
        name = name_of(tool, canonical(shape if shape is not None else arguments))
    except (ValueError, RecursionError, msgspec.MsgspecError):
        name = name_of(tool, str(arguments).encode("utf-8", "surrogatepass"))
    named: Json = shape if shape is not None else arguments
    return Inquiry(tool, about_of(named), name, files_of(named, place))


def called(call_id: str, tool: str, arguments: Json, place: str = "") -> Snippet:
    """Return the piece of a reply that is a call."""
    words = arguments if isinstance(arguments, str) else spelled(arguments)
    shape = _object(arguments)
    texts = "\n".join(words_within(shape if shape is not None else arguments))
    asked = call_of(tool, arguments, place)
    return Snippet("call", words, len(words) + len(tool), asked=asked, call_id=call_id, words=texts)


def read_blocks(content: Json, kind: Kind, place: str = "") -> Iterator[Snippet]:
    """Yield the blocks of a message's ``content``; ``kind`` is what plain text in it is."""
    if isinstance(content, str):
        if content:
            yield Snippet(kind, content)
        return
    if not isinstance(content, list):
        return
    yield from (Snippet(kind, item) for item in content if isinstance(item, str) and item)
    for block in dicts_in(content):
        yield from _read_block(block, kind, place)


def _read_block(block: dict[str, Json], kind: Kind, place: str) -> Iterator[Snippet]:
    what = text_raw(block, "type")
    if what in _SAID:
        text = text_raw(block, "text") or text_raw(block, "refusal")
        if text:
            yield Snippet(kind, text)
    elif what in ("thinking", "redacted_thinking", "reasoning"):
        yield thought(block)
    elif what in ("tool_use", "server_tool_use", "mcp_tool_use"):
        yield called(text_raw(block, "id"), text_raw(block, "name"), block.get("input"), place)
    elif what.endswith("tool_result"):
        yield answered(
            text_raw(block, "tool_use_id"), block.get("content"), failed=block.get("is_error") is True
        )
    elif what in _MEDIA:
        yield Snippet("media", spelled(block), 0, MEDIA_TOKENS, exempt="media")
    else:
        yield Snippet("other", spelled(block))


def thought(block: dict[str, Json]) -> Snippet:
    """Return a thought; where only its signature or ciphertext is recorded, its size follows from that."""
    text = text_raw(block, "thinking") or "".join(
        piece.text for piece in read_blocks(block.get("summary"), "said")
    )
    sealed = text_raw(block, "signature") or text_raw(block, "data") or text_raw(block, "encrypted_content")
    return Snippet("thinking", text or sealed, len(text) or int(len(sealed) * SIGNATURE_SHARE))


def answered(call_id: str, content: Json, *, failed: bool = False) -> Snippet:
    """Return a call's result as one piece, its pictures counted in tokens."""
    if isinstance(content, str):
        return Snippet("result", content, call_id=call_id, exempt="error" if failed else "")
    pieces = tuple(read_blocks(content, "result"))
    if content is not None and not pieces and not isinstance(content, list):
        return Snippet("result", spelled(content), call_id=call_id, exempt="error" if failed else "")
    text = "\n".join(piece.text for piece in pieces)
    pictures = sum(piece.kind == "media" for piece in pieces)
    if pictures:
        size = sum(piece.characters for piece in pieces)
        tokens = pictures * MEDIA_TOKENS + size // 3
        return Snippet("result", text, size, tokens, call_id=call_id, exempt="media")
    return Snippet("result", text, call_id=call_id, exempt="error" if failed else "")


def spelled(value: Json) -> str:
    """Return ``value`` as JSON text; halves of surrogate pairs, which JSON can't hold, become marks."""
    if value is None:
        return ""
    try:
        return msgspec.json.encode(value).decode()
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return str(value)


def words_within(value: Json, depth: int = 8) -> Iterator[str]:
    """Yield every text within ``value``, to ``depth`` levels."""
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, list):
        for item in value:
            yield from words_within(item, depth - 1)
    elif depth and isinstance(value, dict):
        for item in value.values():
            yield from words_within(item, depth - 1)


def _object(arguments: Json) -> dict[str, Json] | None:
    return (
        parsed(arguments)
        if isinstance(arguments, str)
        else arguments
        if isinstance(arguments, dict)
        else None
    )


def parsed(text: str | bytes) -> dict[str, Json] | None:
    """Return the JSON object that ``text`` spells; None where it spells none."""
    try:
        return _objects.decode(text)
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None
