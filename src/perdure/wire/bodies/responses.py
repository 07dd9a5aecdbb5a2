"""OpenAI Responses: an item read alone."""

from typing import Final

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import CallResult, ItemRead, MadeCall, Span
from perdure.wire.bodies.parts import call_of, part_of, result_of, spans_of
from perdure.wire.reading import dict_at, text_raw

_ROLES: Final = {
    "assistant": "assistant",
    "developer": "system",
    "system": "system",
    "user": "user",
}

_SAID: Final = frozenset(
    {"code_interpreter_call", "compaction", "file_search_call", "image_generation_call", "item_reference"}
    | {"mcp_approval_request", "mcp_call", "mcp_list_tools", "reasoning", "web_search_call"}
)
"""Items of the model's, or of the provider's on its behalf; calls that the client answers are made out by their names."""

_SERVED: Final = frozenset(
    {"code_interpreter_call", "file_search_call", "image_generation_call", "mcp_call", "web_search_call"}
)
"""Calls that the provider carried out itself."""

_ACTIONS: Final = frozenset({"computer_call", "local_shell_call", "shell_call"})
"""Calls whose arguments are their action, and that are named by their type."""


def read_item(raw: bytes, item: Json) -> ItemRead:
    """Return the reading of ``item``, which stands in ``raw``."""
    kind = text_raw(item, "type")
    place, _ = spans_of(raw, item, "output")
    if kind.endswith("_output"):
        result = _result(item, place)
        return part_of("responses", "tool", item, results=(result,) if result else ())
    if kind in _SAID or kind.endswith("_call"):
        call = _call(kind, item)
        return part_of("responses", "assistant", item, calls=(call,) if call else ())
    return part_of("responses", _ROLES.get(text_raw(item, "role"), ""), item)


def _call(kind: str, item: Json) -> MadeCall | None:
    if not kind.endswith("_call") or kind in _SERVED or not isinstance(item, dict):
        return None
    call = text_raw(item, "call_id") or text_raw(item, "id")
    if kind in _ACTIONS:
        return call_of(call, kind.removesuffix("_call"), dict_at(item, "action"))
    tool = text_raw(item, "name") or kind.removesuffix("_call")
    return call_of(call, tool, item.get("arguments", item.get("input", item.get("operation"))))


def _result(item: Json, place: Span | None) -> CallResult | None:
    if place is None or not isinstance(item, dict):
        return None
    return result_of(
        text_raw(item, "call_id") or text_raw(item, "id"),
        item.get("output"),
        place,
        is_error=text_raw(item, "status") in {"failed", "incomplete"},
    )
