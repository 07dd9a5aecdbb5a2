"""OpenAI Responses, without state on the other side: what was said is sent along each time."""

from typing import Final

from perdure.intention.reply import Reply
from perdure.values.digest import Json
from perdure.wire.chat import cache_key, spelled
from perdure.wire.layout import Spoken, Turn, laid_out
from perdure.wire.prompt import ModelFailure, Prompt
from perdure.wire.reading import dict_at, dicts_at, dicts_in, text_at
from perdure.wire.spelling import clean, read_call, safe_tool
from perdure.wire.usage import responses_usage

PROVIDER: Final = "openai"

_PASSING: Final = frozenset({"server_error", "rate_limit_exceeded", "server_is_overloaded", "slow_down"})
"""Codes of failures that pass by themselves."""

_STOPS: Final = {"max_output_tokens": "length", "content_filter": "refusal"}


def to_responses(prompt: Prompt) -> dict[str, Json]:
    """Return the request without its model."""
    body: dict[str, Json] = {"store": False, **prompt.settings}
    if prompt.cache_key:
        body.setdefault("prompt_cache_key", cache_key(prompt))
    if prompt.instructions.strip():
        body["instructions"] = prompt.instructions
    if prompt.tools:
        body["tools"] = [
            {
                "type": "function",
                "name": tool.name,
                "description": tool.description,
                "parameters": tool.schema or {"type": "object", "properties": {}},
                "strict": False,
            }
            for tool in prompt.tools
        ]
    body["input"] = [item for turn in laid_out(prompt, PROVIDER, _ids) for item in _items(turn)]
    cleaned = clean(body)
    return cleaned if isinstance(cleaned, dict) else {}


def _items(turn: Turn) -> list[Json]:
    if not isinstance(turn, Spoken):
        return [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": turn}]}]
    outputs: list[Json] = [
        {"type": "function_call_output", "call_id": answer.call_id, "output": answer.text}
        for answer in turn.answers
    ]
    return _said(turn) + outputs


def _said(turn: Spoken) -> list[Json]:
    if turn.blocks and all(_complete(item) for item in dicts_in(turn.blocks)):
        return turn.blocks
    text: list[Json] = [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": turn.reply.text}],
        }
    ]
    calls: list[Json] = [
        {
            "type": "function_call",
            "call_id": name,
            "name": safe_tool(call.tool),
            "arguments": spelled(call.arguments or {}),
        }
        for name, call in turn.calls
    ]
    return (text if turn.reply.text or not calls else []) + calls


def _complete(item: dict[str, Json]) -> bool:
    """Tell whether the item stands for itself: a reasoning without its encrypted content does not.

    A call goes without what reasoned it only if it is rebuilt, so then the whole reply is.
    """
    return item.get("type") != "reasoning" or bool(text_at(item, "encrypted_content"))


def _ids(blocks: list[Json]) -> tuple[str, ...]:
    return tuple(text_at(item, "call_id") for item in dicts_in(blocks) if item.get("type") == "function_call")


def from_responses(response: dict[str, Json]) -> Reply:
    """Return the reply that the output of ``response`` is; raise ``ModelFailure`` if it failed."""
    if text_at(response, "status") in {"failed", "cancelled"}:
        error = dict_at(response, "error")
        code = text_at(error, "code")
        words = text_at(error, "message") or "the response failed"
        raise ModelFailure(f"{words} ({code})" if code else words, retryable=code in _PASSING)
    output = dicts_at(response, "output")
    parts = [part for item in output if item.get("type") == "message" for part in dicts_at(item, "content")]
    refused = any(part.get("type") == "refusal" for part in parts)
    calls = tuple(
        read_call(text_at(item, "call_id"), text_at(item, "name"), text_at(item, "arguments"))
        for item in output
        if item.get("type") == "function_call"
    )
    reason = text_at(dict_at(response, "incomplete_details"), "reason")
    stop = _STOPS.get(reason, reason) or ("refusal" if refused else "calls" if calls else "end")
    return Reply(
        text="".join(text_at(part, "text") or text_at(part, "refusal") for part in parts),
        calls=calls,
        stop=stop,
        blocks=[clean(item) for item in output],
        provider=PROVIDER,
        usage=responses_usage(response.get("usage")),
    )
