"""How an utterance goes back: whole, or as the events of a stream, in the words of each API."""

from collections.abc import Iterator
from typing import Final

import msgspec

from perdure.testing.upstream.caching import Metered
from perdure.testing.upstream.question import Question, ToolCall, Utterance
from perdure.testing.upstream.signet import Signet
from perdure.values.digest import Json

PIECE: Final = 24
"""Characters of text in one event, so that every text comes in several."""

Shape = dict[str, Json]


class Rendering(msgspec.Struct, frozen=True):
    """An answer, whole and in events."""

    whole: Shape
    events: tuple[bytes, ...]
    items: tuple[Shape, ...] = ()
    """what it adds to a stored response"""


def encoded(value: Json) -> bytes:
    """Return ``value`` as JSON."""
    return msgspec.json.encode(value)


def event(value: Shape, name: str = "") -> bytes:
    """Return one server-sent event."""
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + encoded(value) + b"\n\n"


def parts(text: str) -> list[str]:
    """Return ``text`` in the pieces that a stream brings."""
    return [text[start : start + PIECE] for start in range(0, len(text), PIECE)]


def output_tokens(utterance: Utterance) -> int:
    """Return about how many tokens were said."""
    said = utterance.text + utterance.thought + "".join(arguments_of(call) for call in utterance.calls)
    return 4 + len(said) // 3


def arguments_of(call: ToolCall) -> str:
    """Return a call's arguments as text."""
    return call.free or encoded(call.arguments).decode()


def spoken_messages(question: Question, said: Utterance, metered: Metered, signet: Signet) -> Rendering:
    """Return an answer of Anthropic Messages."""
    blocks: list[Json] = []
    if said.thought:
        blocks.append({"type": "thinking", "thinking": said.thought, "signature": signet.sign(said.thought)})
    if said.text:
        blocks.append({"type": "text", "text": said.text})
    blocks.extend(_use(call) for call in said.calls)
    usage: Shape = {
        "input_tokens": metered.fresh,
        "cache_creation_input_tokens": metered.write_5m + metered.write_1h,
        "cache_read_input_tokens": metered.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": metered.write_5m,
            "ephemeral_1h_input_tokens": metered.write_1h,
        },
        "output_tokens": output_tokens(said),
        "service_tier": "standard",
    }
    whole: Shape = {
        "id": signet.fresh("msg_"),
        "type": "message",
        "role": "assistant",
        "model": question.model,
        "content": blocks,
        "stop_reason": "tool_use" if said.calls else "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    return Rendering(whole, tuple(_messages_events(whole, blocks, usage)))


def _use(call: ToolCall) -> Shape:
    return {"type": "tool_use", "id": call.id, "name": call.offer.name, "input": call.arguments}


def _messages_events(whole: Shape, blocks: list[Json], usage: Shape) -> Iterator[bytes]:
    opening: Shape = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    yield event({"type": "message_start", "message": opening}, "message_start")
    yield event({"type": "ping"}, "ping")
    for place, block in enumerate(blocks):
        if not isinstance(block, dict):
            continue
        bare, deltas = _opened_block(block)
        start: Shape = {"type": "content_block_start", "index": place, "content_block": bare}
        yield event(start, "content_block_start")
        for delta in deltas:
            yield event(
                {"type": "content_block_delta", "index": place, "delta": delta}, "content_block_delta"
            )
        yield event({"type": "content_block_stop", "index": place}, "content_block_stop")
    ending: Shape = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    told: Shape = {name: value for name, value in usage.items() if name.endswith("_tokens")}
    yield event({"type": "message_delta", "delta": ending, "usage": told}, "message_delta")
    yield event({"type": "message_stop"}, "message_stop")


def _opened_block(block: Shape) -> tuple[Shape, list[Shape]]:
    """Return a block as a stream opens it, and what fills it."""
    if block["type"] == "thinking":
        deltas: list[Shape] = [
            {"type": "thinking_delta", "thinking": part} for part in parts(str(block["thinking"]))
        ]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {"type": "thinking", "thinking": "", "signature": ""}, deltas
    if block["type"] == "text":
        return {"type": "text", "text": ""}, [
            {"type": "text_delta", "text": part} for part in parts(str(block["text"]))
        ]
    spelled = encoded(block["input"]).decode()
    return {**block, "input": {}}, [
        {"type": "input_json_delta", "partial_json": part} for part in ["", *parts(spelled)]
    ]


def spoken_chat(question: Question, said: Utterance, metered: Metered, signet: Signet, at: int) -> Rendering:
    """Return an answer of Chat Completions."""
    calls: list[Json] = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.offer.name, "arguments": arguments_of(call)},
        }
        for call in said.calls
    ]
    message: Shape = {"role": "assistant", "content": said.text or None, "refusal": None}
    if calls:
        message["tool_calls"] = calls
    finish = "tool_calls" if calls else "stop"
    output = output_tokens(said)
    usage: Shape = {
        "prompt_tokens": metered.whole,
        "completion_tokens": output,
        "total_tokens": metered.whole + output,
        "prompt_tokens_details": {"cached_tokens": metered.read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    head: Shape = {"id": signet.fresh("chatcmpl-"), "created": at, "model": question.model}
    whole: Shape = {
        **head,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": usage,
        "service_tier": "default",
        "system_fingerprint": "fp_perdure",
    }
    return Rendering(whole, tuple(_chat_events(head, said, finish, usage)))


def _chat_events(head: Shape, said: Utterance, finish: str, usage: Shape) -> Iterator[bytes]:
    base: Shape = {**head, "object": "chat.completion.chunk", "service_tier": "default"}

    def chunk(delta: Shape, reason: str | None = None) -> bytes:
        choice: Shape = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return event({**base, "choices": [choice], "usage": None})

    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for part in parts(said.text):
        yield chunk({"content": part})
    for place, call in enumerate(said.calls):
        function: Shape = {"name": call.offer.name, "arguments": ""}
        opened: Shape = {"index": place, "id": call.id, "type": "function", "function": function}
        yield chunk({"tool_calls": [opened]})
        for part in parts(arguments_of(call)):
            yield chunk({"tool_calls": [{"index": place, "function": {"arguments": part}}]})
    yield chunk({}, finish)
    yield event({**base, "choices": [], "usage": usage})
    yield b"data: [DONE]\n\n"
