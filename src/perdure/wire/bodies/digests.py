"""Names of what was sent: equal where a provider's cache sees no difference, and where a reply is the same reply.

- ``cache_digest``: ``cache_control`` apart, a string and the one block of text that it stands for are the same, and
  so is any order of names; everything else counts, known or not.
- ``message_digest``: of a reply as its client sends it back. Clients drop what they don't know, re-order blocks and
  trim texts, so only the texts (blanks apart) and the ids of calls count.
"""

from typing import Final

import msgspec

from perdure.values.digest import Json, name_of, short_digest
from perdure.wire.bodies.nouns import Api
from perdure.wire.bodies.texts import TEXTS, block_texts
from perdure.wire.reading import dict_at, dicts_at, text_raw

_sorted = msgspec.json.Encoder(order="sorted").encode

BILLED: Final = "x-anthropic-billing-header:"
"""How a block of instructions begins that Claude Code writes anew with each request, and the provider takes out."""


def cache_digest(value: Json) -> str:
    """Return the name of a message, an item, or a list of instructions or tools."""
    return short_digest(_sorted(_plain(value)))


def system_digest(value: Json) -> str:
    """Return the name of instructions, a string or a list of blocks."""
    blocks = _texts(value)
    if isinstance(blocks, list):
        blocks = [block for block in blocks if not _is_billing(text_raw(block, "text"))]
    return cache_digest(blocks)


def _is_billing(text: str) -> bool:
    return text.startswith(BILLED) and "\n" not in text


def _plain(value: Json) -> Json:
    """Return ``value`` without marks of the cache; arguments are the client's own and stay as they are."""
    match value:
        case list():
            return [_plain(part) for part in value]
        case dict():
            plain = {name: part for name, part in value.items() if name != "cache_control"}
            for name in ("content", "output", "source"):
                if name in plain:
                    plain[name] = _texts(plain[name]) if name != "source" else _plain(plain[name])
            if "role" in plain:
                plain.setdefault("type", "message")
            return plain
        case _:
            return value


def _texts(value: Json) -> Json:
    """Return content as blocks, the same for each name that a text has."""
    if isinstance(value, str):
        return [{"type": "text", "text": value}]
    if not isinstance(value, list):
        return value
    blocks = [_plain(block) for block in value]
    return [
        {**block, "type": "text"} if isinstance(block, dict) and text_raw(block, "type") in TEXTS else block
        for block in blocks
    ]


def call_digest(tool: str, arguments: Json) -> str:
    """Return the name of a call: equal for the same arguments in any order."""
    return name_of("call", tool, _sorted(arguments))


def message_digest(api: Api, value: Json) -> str:
    """Return the name of a reply: a message, or for Responses the list of its items. Empty: it has none."""
    return merged_digest(
        [part for item in value for part in merged_parts(api, item)]
        if isinstance(value, list)
        else merged_parts(api, value)
    )


def held_digest(response: str) -> str:
    """Return the name of a reply that the provider keeps under the id ``response``."""
    return name_of("response", response)


def merged_digest(parts: list[str] | tuple[str, ...]) -> str:
    """Return the name of the reply that ``merged_parts`` of its items make up."""
    texts = [part for part in parts if part.startswith("t")]
    calls = [part for part in parts if not part.startswith("t")]
    return name_of("said", *texts, *calls) if parts else ""


def merged_parts(api: Api, item: Json) -> list[str]:
    """Return what a reply is recognised by, as far as ``item`` has it."""
    if not isinstance(item, dict):
        return []
    content = item.get("content")
    if api == "messages":
        blocks = dicts_at(item, "content")
        calls = [text_raw(block, "id") for block in blocks if block.get("type") == "tool_use"]
    elif api == "chat":
        calls = [text_raw(call, "id") for call in dicts_at(item, "tool_calls")]
        if "function_call" in item:
            calls.append(call_digest("", dict_at(item, "function_call")))
    elif text_raw(item, "type").endswith("_call"):
        content, calls = None, [text_raw(item, "call_id") or text_raw(item, "id")]
    else:
        content, calls = content if text_raw(item, "role") == "assistant" else None, []
    squeezed = "".join("".join(block_texts(content)).split())
    return ([f"t{name_of(squeezed)}"] if squeezed else []) + [f"c{call}" for call in calls]
