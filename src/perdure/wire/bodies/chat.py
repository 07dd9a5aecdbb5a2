"""OpenAI Chat Completions: a message read alone."""

from typing import Final

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import CallResult, ItemRead, MadeCall
from perdure.wire.bodies.parts import call_of, part_of, result_of, spans_of
from perdure.wire.reading import dict_at, dicts_at, text_raw

_ROLES: Final = {
    "assistant": "assistant",
    "developer": "system",
    "function": "tool",
    "system": "system",
    "tool": "tool",
    "user": "user",
}


def read_chat_message(raw: bytes, message: Json) -> ItemRead:
    """Return the reading of ``message``, which stands in ``raw``."""
    place, _ = spans_of(raw, message, "content")
    role = _ROLES.get(text_raw(message, "role"), "")
    calls: list[MadeCall] = []
    results: list[CallResult] = []
    if role == "assistant":
        for call in dicts_at(message, "tool_calls"):
            function = dict_at(call, "function") or dict_at(call, "custom")
            given = function.get("arguments", function.get("input"))
            calls.append(call_of(text_raw(call, "id"), text_raw(function, "name"), given))
        old = dict_at(message, "function_call")
        if old:
            name = text_raw(old, "name")
            calls.append(call_of(name, name, old.get("arguments")))
    elif role == "tool" and place is not None and isinstance(message, dict):
        name = text_raw(message, "tool_call_id") or text_raw(message, "name")
        results.append(result_of(name, message.get("content"), place))
    return part_of("chat", role, message, calls=tuple(calls), results=tuple(results))
