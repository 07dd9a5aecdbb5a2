"""A model's reply as we keep it: text, calls, and the provider's own blocks for sending back."""

from typing import Final

import msgspec

from perdure.log.events import Usage
from perdure.values.digest import Json


class Call(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One tool call. ``arguments`` is None where the reply's JSON could not be read."""

    id: str
    tool: str
    arguments: dict[str, Json] | None
    unreadable: str = ""
    """the words that could not be read as a JSON object, cut short"""


class Reply(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The whole reply. ``blocks`` are the provider's own, re-sent word for word (signatures)."""

    text: str = ""
    calls: tuple[Call, ...] = ()
    stop: str = "end"
    """'end', 'calls', 'length', 'refusal' or the provider's own word"""
    blocks: list[Json] | None = None
    provider: str = ""
    """which wire form ``blocks`` has; another provider gets text and calls instead"""
    usage: Usage = Usage()


UNREADABLE_CHARACTERS_MAX: Final = 200
"""Of what should be a JSON object and isn't: enough to see why."""


def call_of(name: str, tool: str, arguments: str) -> Call:
    """Return the call whose ``arguments`` are this text, which should be a JSON object."""
    try:
        return Call(name, tool, msgspec.json.decode(arguments, type=dict[str, Json]))
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return Call(name, tool, None, arguments[:UNREADABLE_CHARACTERS_MAX])


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Reply).decode


def reply_bytes(reply: Reply) -> bytes:
    """Return the stored form of a reply."""
    return _encode(reply)


def read_reply(stored: bytes) -> Reply:
    """Return the reply in ``stored``."""
    return _decode(stored)
