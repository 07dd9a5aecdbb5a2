"""OpenAI Chat Completions, as OpenAI and many others speak it."""

from typing import Final

import msgspec

from perdure.intention.reply import Reply
from perdure.values.digest import Json, name_of
from perdure.wire.layout import Spoken, Turn, laid_out
from perdure.wire.prompt import Prompt
from perdure.wire.reading import dict_at, dict_first, dicts_at, dicts_in, text_at
from perdure.wire.spelling import clean, read_call, safe_tool
from perdure.wire.usage import chat_usage

PROVIDER: Final = "openai-chat"

CACHE_KEY_CHARACTERS_MAX: Final = 64
"""Longer ones are refused by OpenAI."""

_STOPS: Final = {
    "stop": "end",
    "tool_calls": "calls",
    "function_call": "calls",
    "length": "length",
    "content_filter": "refusal",
}

_NOT_SENT_BACK: Final = frozenset({"annotations", "audio", "function_call", "index"})
"""Parts of an answer that are no part of a question."""

_spell = msgspec.json.Encoder().encode


def cache_key(prompt: Prompt) -> str:
    """Return the prompt's cache key in a length that OpenAI takes."""
    key = prompt.cache_key
    return key if len(key) <= CACHE_KEY_CHARACTERS_MAX else name_of("cache", key)


def to_chat(prompt: Prompt) -> dict[str, Json]:
    """Return the request without its model."""
    body: dict[str, Json] = {**prompt.settings}
    if prompt.cache_key:
        body.setdefault("prompt_cache_key", cache_key(prompt))
    if prompt.tools:
        body["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": tool.schema or {"type": "object", "properties": {}},
                },
            }
            for tool in prompt.tools
        ]
    messages = _messages(laid_out(prompt, PROVIDER, _ids))
    if prompt.instructions.strip():
        messages.insert(0, {"role": "system", "content": prompt.instructions})
    body["messages"] = messages
    cleaned = clean(body)
    return cleaned if isinstance(cleaned, dict) else {}


def _messages(turns: tuple[Turn, ...]) -> list[Json]:
    """Return the messages; texts to the model that touch are one, as many chat templates demand."""
    messages: list[Json] = []
    texts: list[str] = []
    for turn in turns:
        if isinstance(turn, Spoken):
            messages += _user(texts)
            texts = []
            messages.append(_said(turn))
            for answer in turn.answers:
                messages.append({"role": "tool", "tool_call_id": answer.call_id, "content": answer.text})
        else:
            texts.append(turn)
    return messages + _user(texts)


def _user(texts: list[str]) -> list[Json]:
    return [{"role": "user", "content": "\n\n".join(texts)}] if texts else []


def _said(turn: Spoken) -> Json:
    if turn.blocks and all(call.arguments is not None for call in turn.reply.calls):
        return turn.blocks[0]
    message: dict[str, Json] = {"role": "assistant", "content": turn.reply.text}
    if turn.ids:
        message["tool_calls"] = [
            {
                "id": name,
                "type": "function",
                "function": {"name": safe_tool(call.tool), "arguments": spelled(call.arguments or {})},
            }
            for name, call in turn.calls
        ]
    return message


def spelled(value: Json) -> str:
    """Return ``value`` as JSON text."""
    return _spell(clean(value)).decode()


def _ids(blocks: list[Json]) -> tuple[str, ...]:
    first = dicts_in(blocks)[:1]
    return tuple(text_at(call, "id") for block in first for call in dicts_at(block, "tool_calls"))


def from_chat(completion: dict[str, Json]) -> Reply:
    """Return the reply that the first choice of ``completion`` is."""
    choice = dict_first(completion, "choices")
    message = dict_at(choice, "message")
    stop = text_at(choice, "finish_reason")
    calls = tuple(
        read_call(text_at(call, "id"), text_at(function, "name"), _words(function.get("arguments")))
        for call in dicts_at(message, "tool_calls")
        for function in (dict_at(call, "function"),)
    )
    refused = text_at(message, "refusal")
    return Reply(
        text=text_at(message, "content") or refused,
        calls=calls,
        stop="refusal" if refused else _STOPS.get(stop, stop or "end"),
        blocks=[clean(_sent_back(message))],
        provider=PROVIDER,
        usage=chat_usage(completion.get("usage")),
    )


def _words(arguments: Json) -> str:
    """Return arguments as text: some servers send the object itself."""
    return (
        arguments if isinstance(arguments, str) else spelled(arguments if isinstance(arguments, dict) else {})
    )


def _sent_back(message: dict[str, Json]) -> dict[str, Json]:
    kept = {
        name: value for name, value in message.items() if value is not None and name not in _NOT_SENT_BACK
    }
    return {"role": "assistant", "content": "", **kept}
