"""The words in a provider's JSON: what the model reads, without names, signatures and pictures."""

from collections.abc import Iterator
from typing import Final

import msgspec

from perdure.values.digest import Json
from perdure.values.limits import MEDIA_CHARACTERS
from perdure.wire.bodies.spans import FAULTS, decoded
from perdure.wire.reading import text_raw

MEDIA: Final = frozenset(
    {
        "audio",
        "computer_screenshot",
        "container_upload",
        "document",
        "file",
        "image",
        "image_url",
        "input_audio",
        "input_file",
        "input_image",
    }
)
"""Types of blocks that hold something other than text."""

TEXTS: Final = frozenset({"text", "input_text", "output_text"})
"""Types of blocks that are a text and nothing else."""

_NOT_READ: Final = frozenset(
    {
        "cache_control",
        "call_id",
        "data",
        "encrypted_content",
        "encrypted_index",
        "id",
        "role",
        "signature",
        "status",
        "tool_call_id",
        "tool_use_id",
        "type",
    }
)
"""Names whose values the model doesn't read as text, or only as a few tokens."""

_encoded = msgspec.json.Encoder().encode


def characters_in(value: Json) -> int:
    """Return about how many characters of ``value`` the model reads; arguments count as they are spelled."""
    match value:
        case str():
            return len(value)
        case list():
            return sum(characters_in(part) for part in value)
        case dict():
            if text_raw(value, "type") in MEDIA:
                return _media(value)
            return sum(
                len(_encoded(part)) if name == "input" and isinstance(part, dict) else characters_in(part)
                for name, part in value.items()
                if name not in _NOT_READ
            )
        case _:
            return 0


def _media(block: dict[str, Json]) -> int:
    """A document may be given as text, and then is what its text is."""
    source = block.get("source")
    if isinstance(source, dict) and text_raw(source, "type") in {"text", "content"}:
        return sum(characters_in(source.get(name)) for name in ("data", "content"))
    return MEDIA_CHARACTERS


def block_texts(blocks: Json) -> list[str]:
    """Return the texts of a list of blocks, or the one text that stands in its place."""
    if isinstance(blocks, str):
        return [blocks]
    if not isinstance(blocks, list):
        return []
    texts = (
        block.get("text") for block in blocks if isinstance(block, dict) and text_raw(block, "type") in TEXTS
    )
    return [text for text in texts if isinstance(text, str)]


def text_of(value: bytes) -> str:
    """Return the text that the JSON ``value`` is, a string or a list of blocks, joined by line ends."""
    return "\n".join(block_texts(decoded(value)))


def words_of(value: Json) -> Iterator[str]:
    """Yield every text in ``value`` that the model wrote; arguments that are spelled as JSON are read."""
    match value:
        case str():
            yield value
        case list():
            for part in value:
                yield from words_of(part)
        case dict():
            for name, part in value.items():
                if name == "arguments" and isinstance(part, str):
                    yield from words_of(arguments_of(part))
                elif name not in _NOT_READ and text_raw(value, "type") not in MEDIA:
                    yield from words_of(part)
        case _:
            return


def arguments_of(spelled: Json) -> Json:
    """Return arguments as a value: OpenAI spells them as JSON in a string."""
    if not isinstance(spelled, str):
        return spelled
    try:
        return decoded(spelled.encode())
    except FAULTS:
        return spelled
