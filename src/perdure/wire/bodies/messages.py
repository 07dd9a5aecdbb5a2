"""Anthropic Messages: a message read alone."""

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import CallResult, ItemRead, MadeCall
from perdure.wire.bodies.parts import call_of, part_of, result_of, spans_of
from perdure.wire.bodies.spans import members
from perdure.wire.bodies.texts import characters_in
from perdure.wire.reading import text_raw

_ROLES = frozenset({"user", "assistant", "system"})


def read_message(raw: bytes, message: Json) -> ItemRead:
    """Return the reading of ``message``, which stands in ``raw``."""
    _, places = spans_of(raw, message, "content")
    role = text_raw(message, "role")
    content = message.get("content") if isinstance(message, dict) else None
    calls: list[MadeCall] = []
    results: list[CallResult] = []
    before = 0
    for place, block in zip(places, content if isinstance(content, list) else [], strict=True):
        if isinstance(block, dict):
            names = members(raw[place.start : place.end])
            kind = block.get("type")
            if kind == "tool_use":
                calls.append(call_of(text_raw(block, "id"), text_raw(block, "name"), block.get("input")))
            elif kind == "tool_result" and "content" in names:
                results.append(
                    result_of(
                        text_raw(block, "tool_use_id"),
                        block["content"],
                        names["content"].within(place.start),
                        before=before,
                        is_error=block.get("is_error") is True,
                    )
                )
        before += characters_in(block)
    if role == "user" and results and len(results) == len(places):
        role = "tool"
    return part_of(
        "messages",
        role if role in _ROLES or role == "tool" else "",
        message,
        calls=tuple(calls),
        results=tuple(results),
    )
