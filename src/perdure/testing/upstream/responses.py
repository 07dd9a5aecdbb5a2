"""OpenAI Responses: what a request has to be before the provider answers it."""

from collections.abc import Mapping
from typing import Final

from perdure.testing.upstream.pieces import pieces
from perdure.testing.upstream.question import Offer, Passage, Question, Role
from perdure.testing.upstream.rejection import Rejection
from perdure.testing.upstream.schemas import valid_schema
from perdure.testing.upstream.signet import Signet
from perdure.values.digest import Json
from perdure.wire.reading import dict_at, dicts_at, dicts_in, text_raw

KNOWN: Final = frozenset(
    [
        "model",
        "input",
        "instructions",
        "background",
        "context_management",
        "conversation",
        "include",
        "max_output_tokens",
        "max_tool_calls",
        "metadata",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "truncation",
        "user",
        "client_metadata",
    ]
)
CALLS: Final = {
    "function_call": "function_call_output",
    "custom_tool_call": "custom_tool_call_output",
    "local_shell_call": "local_shell_call_output",
    "shell_call": "shell_call_output",
    "apply_patch_call": "apply_patch_call_output",
    "tool_search_call": "tool_search_output",
}
OUTPUTS: Final = {output: call for call, output in CALLS.items()}
OTHERS: Final = frozenset(
    [
        "message",
        "reasoning",
        "compaction",
        "compaction_summary",
        "compaction_trigger",
        "item_reference",
        "additional_tools",
    ]
)
TRIGGER: Final = "compaction_trigger"
"""What Codex ends its input with to have all of it compacted, on OpenAI's own servers."""
SEALED: Final = frozenset({"compaction", "compaction_summary"})
ROLES: Final[dict[str, Role]] = {
    "user": "user",
    "system": "system",
    "developer": "system",
    "assistant": "assistant",
}
STARTS: Final = {"message": "msg", "reasoning": "rs", "function_call": "fc", "custom_tool_call": "ctc"}

Past = Mapping[str, list[dict[str, Json]]]
"""items of earlier responses, by id"""


def read_responses(body: dict[str, Json], signet: Signet, past: Past) -> Question:
    """Return what the request asks. Raises ``Rejection`` as the provider would."""
    for name in body:
        if name not in KNOWN:
            raise Rejection(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    if "model" not in body:
        raise Rejection(
            "Missing required parameter: 'model'.", param="model", code="missing_required_parameter"
        )
    items = whole_input(body, past)
    seen: set[str] = set()
    for place, item in enumerate(items):
        _ruled_item(f"input[{place}]", item, signet, seen)
    _ruled_pairs(items)
    tools = dicts_at(body, "tools")
    for item in items:
        # What a search of the client's found may be called from there on.
        if item.get("type") in {"additional_tools", "tool_search_output"}:
            tools = [*tools, *dicts_at(item, "tools")]
    instructions = text_raw(body, "instructions")
    return Question(
        api="responses",
        model=text_raw(body, "model"),
        stream=body.get("stream") is True,
        system=instructions,
        offers=_offers(tools),
        passages=tuple(_passage(item, signet) for item in items),
        units=pieces([instructions, *tools, *items]),
        thinks=body.get("reasoning") is not None,
        wanted=dict_at(dict_at(dict_at(body, "text"), "format"), "schema") or None,
        silent=body.get("tool_choice") == "none",
        stored=body.get("store") is not False,
        compacts=bool(items) and items[-1].get("type") == TRIGGER,
    )


def whole_input(body: dict[str, Json], past: Past) -> list[dict[str, Json]]:
    """Return all items that the request stands on, those of earlier responses first."""
    given = body.get("input", "")
    items: list[dict[str, Json]] = (
        [{"type": "message", "role": "user", "content": given}]
        if isinstance(given, str)
        else dicts_in(given if isinstance(given, list) else [])
    )
    before = body.get("previous_response_id")
    if before is None:
        return items
    if not isinstance(before, str) or before not in past:
        raise Rejection(
            f"Previous response with id '{before}' not found.",
            param="previous_response_id",
            code="previous_response_not_found",
        )
    return [*past[before], *items]


def _ruled_item(where: str, item: dict[str, Json], signet: Signet, seen: set[str]) -> None:
    kind = text_raw(item, "type") or "message"
    if kind not in CALLS and kind not in OUTPUTS and kind not in OTHERS:
        raise Rejection(
            f"Invalid value: '{kind}'. Supported values are: 'message', 'reasoning', 'function_call', ...",
            param=where,
            code="invalid_value",
        )
    name = text_raw(item, "id")
    start = STARTS.get(kind)
    if name and start is not None and not name.startswith(start):
        raise Rejection(
            f"Invalid '{where}.id': '{name}'. Expected an ID that begins with '{start}'.",
            param=f"{where}.id",
            code="invalid_value",
        )
    if name and name in seen:
        raise Rejection(
            f"Duplicate item found with id {name}. Remove duplicate items from your input and try again.",
            param="input",
        )
    seen.add(name)
    if kind == "message" and item.get("role") not in ROLES:
        raise Rejection(
            f"Invalid value: '{item.get('role')}'. Supported values are: 'assistant', 'system', 'developer', and "
            "'user'.",
            param=f"{where}.role",
            code="invalid_value",
        )
    if kind == "function_call" and not isinstance(item.get("arguments"), str):
        raise Rejection(f"Invalid type for '{where}.arguments'.", param=where, code="invalid_type")
    _ruled_sealed(kind, item, signet)


def _ruled_sealed(kind: str, item: dict[str, Json], signet: Signet) -> None:
    sealed = item.get("encrypted_content")
    if sealed is None and kind not in SEALED:
        return
    if not isinstance(sealed, str) or signet.unseal(sealed) is None:
        raise Rejection(
            f"The encrypted content {str(sealed)[:12]}... could not be verified. Reason: Encrypted content could "
            "not be decrypted or parsed.",
            code="invalid_encrypted_content",
        )


def _ruled_pairs(items: list[dict[str, Json]]) -> None:
    """Each call has one output behind it, each output its call before it."""
    calls: dict[str, str] = {}
    answered: set[str] = set()
    for item in items:
        kind = text_raw(item, "type")
        name = text_raw(item, "call_id")
        if kind in CALLS:
            if name in calls:
                raise Rejection(f"Duplicate item found with call_id {name}.", param="input")
            calls[name] = kind
        elif kind in OUTPUTS and name:
            if calls.get(name) != OUTPUTS[kind]:
                raise Rejection(
                    f"No tool call found for function call output with call_id {name}.", param="input"
                )
            if name in answered:
                raise Rejection(f"Duplicate tool output found for call_id {name}.", param="input")
            answered.add(name)
    for name in calls:
        if name and name not in answered:
            raise Rejection(f"No tool output found for function call {name}.", param="input")


def _offers(tools: list[dict[str, Json]], space: str = "") -> tuple[Offer, ...]:
    offers: list[Offer] = []
    for place, tool in enumerate(tools):
        kind = text_raw(tool, "type")
        if kind == "namespace":
            offers += _offers(dicts_at(tool, "tools"), text_raw(tool, "name"))
            continue
        schema = dict_at(tool, "parameters")
        if kind == "function" and (not text_raw(tool, "name") or (schema and not valid_schema(schema))):
            raise Rejection(
                f"Invalid schema for function '{text_raw(tool, 'name')}'.",
                param=f"tools[{place}].parameters",
                code="invalid_function_parameters",
            )
        offers.append(
            Offer(name=text_raw(tool, "name") or kind, schema=schema, manner=kind or "function", space=space)
        )
    return tuple(offers)


def _text(content: Json) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(text_raw(part, "text") for part in content) if isinstance(content, list) else ""


def _passage(item: dict[str, Json], signet: Signet) -> Passage:
    kind = text_raw(item, "type") or "message"
    if kind in CALLS:
        arguments = text_raw(item, "arguments") or text_raw(item, "input")
        return Passage("call", arguments, text_raw(item, "call_id"), text_raw(item, "name") or kind)
    if kind in OUTPUTS:
        return Passage("result", _text(item.get("output")), text_raw(item, "call_id"))
    if kind == "reasoning":
        return Passage("reasoning")
    if kind == TRIGGER:
        return Passage("system")
    if kind in SEALED:
        return Passage("summary", signet.unseal(text_raw(item, "encrypted_content")) or "")
    return Passage(ROLES.get(text_raw(item, "role"), "user"), _text(item.get("content")))
