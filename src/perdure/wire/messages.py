"""Anthropic Messages: the prompt as a request, and a message as a reply.

Breakpoints for the prompt cache stand after tools and instructions, at the end of the last
message, and at the end of the message that the prompt before this one ended with: what that
prompt wrote into the cache is found again however many blocks a turn has added.
"""

from typing import Final

from perdure.intention.reply import Call, Reply
from perdure.values.digest import Json
from perdure.wire.layout import Spoken, Turn, laid_out
from perdure.wire.prompt import Answered, Prompt
from perdure.wire.reading import dicts_at, dicts_in, text_at, text_raw
from perdure.wire.spelling import clean, clean_text, read_call, safe_tool
from perdure.wire.usage import anthropic_usage

PROVIDER: Final = "anthropic"

ANTHROPIC_TOKENS_MAX: Final = 16_384
"""Output asked for unless the settings say otherwise: Messages demands a number, and all models since
Claude 4 take this one. Give older ones their own ``max_tokens``."""

_BREAKPOINT: Final[dict[str, Json]] = {"type": "ephemeral"}

_STOPS: Final = {
    "end_turn": "end",
    "stop_sequence": "end",
    "tool_use": "calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
}

Block = dict[str, Json]


def to_anthropic(prompt: Prompt) -> dict[str, Json]:
    """Return the request without its model."""
    body: dict[str, Json] = {"max_tokens": ANTHROPIC_TOKENS_MAX, **prompt.settings}
    tools: list[Block] = [
        {
            "name": tool.name,
            "description": tool.description,
            "input_schema": tool.schema or {"type": "object"},
        }
        for tool in prompt.tools
    ]
    if prompt.instructions.strip():
        body["system"] = [
            {"type": "text", "text": prompt.instructions, "cache_control": _BREAKPOINT},
        ]
    elif tools:
        tools[-1]["cache_control"] = _BREAKPOINT
    if tools:
        body["tools"] = [*tools]
    body["messages"] = [*_messages(laid_out(prompt, PROVIDER, _ids))]
    cleaned = clean(body)
    return cleaned if isinstance(cleaned, dict) else {}


def _messages(turns: tuple[Turn, ...]) -> list[Block]:
    """Return user and assistant by turns; what is said to the model between two replies is one message."""
    heard: list[list[Json]] = [[]]
    said: list[list[Json]] = []
    for turn in turns:
        if isinstance(turn, Spoken):
            said.append(_said(turn))
            heard.append([_result(answer) for answer in turn.answers])
        else:
            heard[-1].append({"type": "text", "text": turn})
    for content in heard[-2:]:
        _mark(content)
    messages: list[Block] = [{"role": "user", "content": heard[0]}]
    for spoken, answered in zip(said, heard[1:], strict=True):
        messages.append({"role": "assistant", "content": spoken})
        messages.append({"role": "user", "content": answered})
    return messages


def _mark(content: list[Json]) -> None:
    if content and isinstance(content[-1], dict):
        content[-1] = {**content[-1], "cache_control": _BREAKPOINT}


def _said(turn: Spoken) -> list[Json]:
    if turn.blocks:
        return turn.blocks
    text: list[Json] = [{"type": "text", "text": turn.reply.text}] if turn.reply.text.strip() else []
    calls: list[Json] = [
        {"type": "tool_use", "id": name, "name": safe_tool(call.tool), "input": call.arguments or {}}
        for name, call in turn.calls
    ]
    return [*text, *calls] or [{"type": "text", "text": "(no reply)"}]


def _result(answer: Answered) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": answer.call_id, "content": answer.text}
    return {**block, "is_error": True} if answer.is_error else block


def _ids(blocks: list[Json]) -> tuple[str, ...]:
    return tuple(text_at(block, "id") for block in dicts_in(blocks) if block.get("type") == "tool_use")


def from_anthropic(message: dict[str, Json]) -> Reply:
    """Return the reply that ``message`` is. Where arguments are a text, it was streamed: read it now."""
    blocks: list[Json] = []
    calls: list[Call] = []
    for block in dicts_at(message, "content"):
        if block.get("type") == "tool_use":
            call = _call(block)
            calls.append(call)
            blocks.append({**block, "id": call.id, "input": call.arguments or {}})
        elif isinstance(block.get("input"), str):
            read = read_call("", "", text_raw(block, "input"))
            blocks.append({**block, "input": read.arguments or {}})
        else:
            blocks.append(block)
    texts = [text_at(block, "text") for block in dicts_in(blocks) if block.get("type") == "text"]
    stop = text_at(message, "stop_reason")
    return Reply(
        text="".join(texts),
        calls=tuple(calls),
        stop=_STOPS.get(stop, stop or "end"),
        blocks=_kept(blocks),
        provider=PROVIDER,
        usage=anthropic_usage(message.get("usage")),
    )


def _call(block: Block) -> Call:
    given = block.get("input")
    name, tool = text_at(block, "id"), text_at(block, "name")
    if isinstance(given, str):
        return read_call(name, tool, given)
    whole = clean(given)
    return Call(name, clean_text(tool), whole if isinstance(whole, dict) else None)


def _kept(blocks: list[Json]) -> list[Json] | None:
    """Return the blocks as they can be sent back: Anthropic takes no empty text from us that it sent."""
    cleaned = [clean(block) for block in blocks]
    return [
        block for block in cleaned if text_at(block, "text").strip() or text_at(block, "type") != "text"
    ] or None
