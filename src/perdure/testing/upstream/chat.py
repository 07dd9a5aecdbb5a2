"""OpenAI Chat Completions: what a request has to be before the provider answers it."""

from typing import Final

import msgspec

from perdure.testing.upstream.pieces import pieces
from perdure.testing.upstream.question import Offer, Passage, Question, Role
from perdure.testing.upstream.rejection import Rejection
from perdure.testing.upstream.schemas import valid_schema
from perdure.values.digest import Json
from perdure.wire.reading import dict_at, dicts_at, text_raw

KNOWN: Final = frozenset(
    [
        "model",
        "messages",
        "audio",
        "frequency_penalty",
        "function_call",
        "functions",
        "logit_bias",
        "logprobs",
        "max_completion_tokens",
        "max_tokens",
        "metadata",
        "modalities",
        "n",
        "parallel_tool_calls",
        "prediction",
        "presence_penalty",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning_effort",
        "response_format",
        "safety_identifier",
        "seed",
        "service_tier",
        "stop",
        "store",
        "stream",
        "stream_options",
        "temperature",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "verbosity",
        "web_search_options",
    ]
)
ROLES: Final = ("system", "assistant", "user", "function", "tool", "developer")
SPOKEN: Final[dict[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "result",
    "function": "result",
}


def read_chat(body: dict[str, Json]) -> Question:
    """Return what the request asks. Raises ``Rejection`` as the provider would."""
    for name in body:
        if name not in KNOWN:
            raise Rejection(f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    for name in ("model", "messages"):
        if name not in body:
            raise Rejection(
                f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter"
            )
    if body.get("stream_options") is not None and body.get("stream") is not True:
        raise Rejection(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    messages = body["messages"]
    if not isinstance(messages, list) or not messages:
        raise Rejection("Invalid 'messages': empty array. Expected an array with minimum length 1.")
    shapes = [message for message in messages if isinstance(message, dict)]
    for place, message in enumerate(shapes):
        _ruled_message(place, message)
    _ruled_pairs(shapes)
    tools = dicts_at(body, "tools")
    return Question(
        api="chat",
        model=text_raw(body, "model"),
        stream=body.get("stream") is True,
        system="\n".join(_text(m.get("content")) for m in shapes if m["role"] in {"system", "developer"}),
        offers=_offers(tools),
        passages=tuple(passage for message in shapes for passage in _passages(message)),
        units=pieces([*tools, *shapes]),
        wanted=dict_at(dict_at(dict_at(body, "response_format"), "json_schema"), "schema") or None,
        silent=body.get("tool_choice") == "none",
    )


def _ruled_message(place: int, message: dict[str, Json]) -> None:
    where = f"messages[{place}]"
    role = message.get("role")
    if role not in ROLES:
        supported = ", ".join(f"'{each}'" for each in ROLES)
        raise Rejection(
            f"Invalid value: '{role}'. Supported values are: {supported}.",
            param=f"{where}.role",
            code="invalid_value",
        )
    calls = message.get("tool_calls")
    content = message.get("content")
    if content is None and not calls and "function_call" not in message and "refusal" not in message:
        raise Rejection(
            f"Invalid value for 'content': expected a string, got null. ({where})", param=f"{where}.content"
        )
    if content is not None and not isinstance(content, str | list):
        raise Rejection(f"Invalid type for '{where}.content'.", param=f"{where}.content", code="invalid_type")
    if isinstance(calls, list) and not calls:
        raise Rejection(
            f"Invalid '{where}.tool_calls': empty array. Expected an array with minimum length 1, but got an "
            "empty array instead.",
            param=f"{where}.tool_calls",
            code="empty_array",
        )
    for spot, call in enumerate(dicts_at(message, "tool_calls")):
        _ruled_call(f"{where}.tool_calls[{spot}]", call)
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise Rejection(
            f"Missing parameter 'tool_call_id': messages with role 'tool' must have a 'tool_call_id'. ({where})",
            param=f"{where}.tool_call_id",
        )


def _ruled_call(where: str, call: dict[str, Json]) -> None:
    function = dict_at(call, "function")
    if call.get("type") not in {"function", "custom"}:
        raise Rejection(f"Missing required parameter: '{where}.type'.", param=f"{where}.type")
    if not text_raw(call, "id") or len(text_raw(call, "id")) > 64:
        raise Rejection(f"Invalid '{where}.id'.", param=f"{where}.id", code="invalid_value")
    if call.get("type") == "function" and not isinstance(function.get("arguments"), str):
        raise Rejection(
            f"Invalid type for '{where}.function.arguments': expected a string, but got something else instead.",
            param=f"{where}.function.arguments",
            code="invalid_type",
        )


def _ruled_pairs(messages: list[dict[str, Json]]) -> None:
    """Each call is answered in the run of tool messages right behind it."""
    open_ids: list[str] = []
    seen: set[str] = set()
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            name = text_raw(message, "tool_call_id")
            if name not in open_ids:
                raise Rejection(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    param=f"messages.[{place}].role",
                )
            open_ids.remove(name)
            continue
        if open_ids:
            raise _unanswered(place, open_ids)
        open_ids = [text_raw(call, "id") for call in dicts_at(message, "tool_calls")]
        twice = [name for name in open_ids if name in seen or open_ids.count(name) > 1]
        if twice:
            raise Rejection(
                f"Duplicate value for 'tool_call_id' of '{twice[0]}' in message[{place}]",
                param=f"messages.[{place}].tool_calls",
            )
        seen.update(open_ids)
    if open_ids:
        raise _unanswered(len(messages), open_ids)


def _unanswered(place: int, ids: list[str]) -> Rejection:
    return Rejection(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
        f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(ids)}",
        param=f"messages.[{place}].role",
    )


def _offers(tools: list[dict[str, Json]]) -> tuple[Offer, ...]:
    offers: list[Offer] = []
    for place, tool in enumerate(tools):
        if tool.get("type") not in {"function", "custom"}:
            raise Rejection(
                f"Invalid value: '{tool.get('type')}'. Supported values are: 'function' and 'custom'.",
                param=f"tools[{place}].type",
                code="invalid_value",
            )
        function = dict_at(tool, text_raw(tool, "type"))
        schema = dict_at(function, "parameters")
        name = text_raw(function, "name")
        if not name or (schema and not valid_schema(schema)):
            raise Rejection(
                f"Invalid schema for function '{name}'.",
                param=f"tools[{place}].function.parameters",
                code="invalid_function_parameters",
            )
        offers.append(Offer(name=name, schema=schema, manner=text_raw(tool, "type")))
    return tuple(offers)


def _text(content: Json) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(text_raw(part, "text") for part in content) if isinstance(content, list) else ""


def _passages(message: dict[str, Json]) -> list[Passage]:
    role = SPOKEN[text_raw(message, "role")]
    text = _text(message.get("content"))
    if role == "result":
        return [Passage("result", text, text_raw(message, "tool_call_id"))]
    found = [Passage(role, text)] if text else []
    for call in dicts_at(message, "tool_calls"):
        function = dict_at(call, "function")
        found.append(
            Passage("call", text_raw(function, "arguments"), text_raw(call, "id"), text_raw(function, "name"))
        )
    return found


def spelled(value: Json) -> str:
    """Return ``value`` as JSON on one line."""
    return msgspec.json.encode(value).decode()
