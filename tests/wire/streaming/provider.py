"""What providers send, written by hand: replies as streams of events and as whole bodies, one script for all APIs."""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from perdure.values.digest import Json, digest
from perdure.wire.bodies.nouns import Api

RECALL = "perdure_recall"


class Thought(NamedTuple):
    text: str


class Words(NamedTuple):
    text: str


class Ask(NamedTuple):
    id: str
    name: str
    arguments: dict[str, Json]


Block = Thought | Words | Ask


class Script(NamedTuple):
    """One reply of a provider."""

    blocks: tuple[Block, ...]
    number: int = 1
    """told in ids and usage, so that each round has its own"""
    stop: str = ""

    @property
    def calls(self) -> list[Ask]:
        return [block for block in self.blocks if isinstance(block, Ask)]


def signature(text: str) -> str:
    """Return what signs a thought: made of nothing but its text."""
    return digest(f"signed {text}".encode())


def spelled(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def sse(events: Iterable[tuple[str, Json]]) -> bytes:
    """Return a stream as Anthropic and Responses send it."""
    return "".join(f"event: {name}\ndata: {spelled(data)}\n\n" for name, data in events).encode()


def halves(text: str) -> list[str]:
    """Cut a text into two pieces, as a stream does."""
    middle = len(text) // 2
    return [piece for piece in (text[:middle], text[middle:]) if piece]


def streamed(api: Api, script: Script) -> bytes:
    match api:
        case "messages":
            return sse((str(event["type"]), event) for event in message_events(script))
        case "chat":
            lines = [f"data: {spelled(chunk)}\n\n" for chunk in chunks(script)]
            return "".join([*lines, "data: [DONE]\n\n"]).encode()
        case "responses":
            return sse((str(event["type"]), event) for event in response_events(script))


def whole(api: Api, script: Script) -> bytes:
    body: Json
    match api:
        case "messages":
            body = {**message_head(script), "content": [message_block(block) for block in script.blocks]}
            body |= {"stop_reason": message_stop(script), "usage": message_usage(script)}
        case "chat":
            body = completion(script)
        case "responses":
            body = response(script, items(script), "incomplete" if script.stop else "completed")
    return spelled(body).encode()


# --- Anthropic ------------------------------------------------------------------------------------


def message_head(script: Script) -> dict[str, Json]:
    return {
        "id": f"msg_{script.number}",
        "type": "message",
        "role": "assistant",
        "model": "claude-test",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def message_stop(script: Script) -> str:
    return script.stop or ("tool_use" if script.calls else "end_turn")


def message_usage(script: Script) -> dict[str, Json]:
    return {
        "input_tokens": 10 * script.number,
        "cache_creation_input_tokens": 100 * script.number,
        "cache_read_input_tokens": 1000 * script.number,
        "output_tokens": script.number,
    }


def message_block(block: Block) -> dict[str, Json]:
    match block:
        case Thought(text):
            return {"type": "thinking", "thinking": text, "signature": signature(text)}
        case Words(text):
            return {"type": "text", "text": text}
        case Ask(name, tool, arguments):
            return {"type": "tool_use", "id": name, "name": tool, "input": arguments}


def message_events(script: Script) -> list[dict[str, Json]]:
    started: Json = {**message_usage(script), "output_tokens": 1}
    events: list[dict[str, Json]] = [
        {"type": "message_start", "message": {**message_head(script), "usage": started}},
        {"type": "ping"},
    ]
    for index, block in enumerate(script.blocks):
        shape = message_block(block)
        deltas: list[Json]
        match block:
            case Thought(text):
                begun: Json = {"type": "thinking", "thinking": "", "signature": ""}
                deltas = [{"type": "thinking_delta", "thinking": piece} for piece in halves(text)]
                deltas.append({"type": "signature_delta", "signature": signature(text)})
            case Words(text):
                begun = {"type": "text", "text": ""}
                deltas = [{"type": "text_delta", "text": piece} for piece in halves(text)]
            case Ask(_, _, arguments):
                begun = {**shape, "input": {}}
                pieces = ["", *halves(spelled(arguments))]
                deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        events.append({"type": "content_block_start", "index": index, "content_block": begun})
        events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        events.append({"type": "content_block_stop", "index": index})
    delta: Json = {"stop_reason": message_stop(script), "stop_sequence": None}
    events.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": script.number}})
    events.append({"type": "message_stop"})
    return events


# --- Chat Completions -----------------------------------------------------------------------------


def chat_usage(script: Script) -> Json:
    return {
        "prompt_tokens": 1110 * script.number,
        "completion_tokens": script.number,
        "total_tokens": 1111 * script.number,
        "prompt_tokens_details": {"cached_tokens": 1000 * script.number},
    }


def chat_call(call: Ask) -> dict[str, Json]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": spelled(call.arguments)},
    }


def completion(script: Script) -> dict[str, Json]:
    texts = [block.text for block in script.blocks if isinstance(block, Words)]
    thoughts = [block.text for block in script.blocks if isinstance(block, Thought)]
    message: dict[str, Json] = {"role": "assistant", "content": "".join(texts) or None}
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if script.calls:
        message["tool_calls"] = [chat_call(call) for call in script.calls]
    finish = script.stop or ("tool_calls" if script.calls else "stop")
    return {
        "id": f"chatcmpl-{script.number}",
        "object": "chat.completion",
        "created": 1700000000 + script.number,
        "model": "gpt-test",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": chat_usage(script),
    }


def chunks(script: Script) -> list[dict[str, Json]]:
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    for block in script.blocks:
        match block:
            case Thought(text):
                deltas.extend({"reasoning_content": piece} for piece in halves(text))
            case Words(text):
                deltas.extend({"content": piece} for piece in halves(text))
            case Ask():
                index = script.calls.index(block)
                call = chat_call(block)
                named: Json = {"name": block.name, "arguments": ""}
                deltas.append({"tool_calls": [{"index": index, **call, "function": named}]})
                for piece in halves(spelled(block.arguments)):
                    grown: Json = {"index": index, "function": {"arguments": piece}}
                    deltas.append({"tool_calls": [grown]})
    whole_one = completion(script)
    head: dict[str, Json] = {name: whole_one[name] for name in ("id", "created", "model")}
    head["object"] = "chat.completion.chunk"
    made: list[dict[str, Json]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    finish = script.stop or ("tool_calls" if script.calls else "stop")
    made.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    made.append({**head, "choices": [], "usage": chat_usage(script)})
    return made


# --- Responses ------------------------------------------------------------------------------------


def item(script: Script, place: int) -> dict[str, Json]:
    block = script.blocks[place]
    name = f"{script.number}_{place}"
    match block:
        case Thought(text):
            summary: Json = [{"type": "summary_text", "text": text}]
            encrypted = signature(text)
            return {
                "type": "reasoning",
                "id": f"rs_{name}",
                "summary": summary,
                "encrypted_content": encrypted,
            }
        case Words(text):
            part: Json = {"type": "output_text", "text": text, "annotations": []}
            said: dict[str, Json] = {"type": "message", "id": f"msg_{name}", "role": "assistant"}
            return {**said, "status": "completed", "content": [part]}
        case Ask(call, tool, arguments):
            made: dict[str, Json] = {
                "type": "function_call",
                "id": f"fc_{name}",
                "call_id": call,
                "name": tool,
            }
            return {**made, "arguments": spelled(arguments), "status": "completed"}


def items(script: Script) -> list[Json]:
    return [item(script, place) for place in range(len(script.blocks))]


def response(script: Script, output: list[Json], status: str) -> dict[str, Json]:
    usage: Json = {
        "input_tokens": 1110 * script.number,
        "input_tokens_details": {"cached_tokens": 1000 * script.number},
        "output_tokens": script.number,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 1111 * script.number,
    }
    return {
        "id": f"resp_{script.number}",
        "object": "response",
        "created_at": 1700000000,
        "status": status,
        "model": "gpt-test",
        "output": output,
        "previous_response_id": f"resp_{script.number - 1}" if script.number > 1 else None,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage if status in {"completed", "incomplete"} else None,
        "incomplete_details": {"reason": script.stop} if script.stop else None,
    }


def response_events(script: Script) -> list[dict[str, Json]]:
    events: list[dict[str, Json]] = [
        {"type": "response.created", "response": response(script, [], "in_progress")},
        {"type": "response.in_progress", "response": response(script, [], "in_progress")},
    ]
    for place, block in enumerate(script.blocks):
        done = item(script, place)
        at: dict[str, Json] = {"item_id": done["id"], "output_index": place}
        match block:
            case Thought(text):
                begun: Json = {**done, "summary": []}
                inner = _summary(at, text)
            case Words(text):
                begun = {**done, "status": "in_progress", "content": []}
                inner = _parts(at, text)
            case Ask(_, _, arguments):
                begun = {**done, "status": "in_progress", "arguments": ""}
                inner = [
                    {"type": "response.function_call_arguments.delta", **at, "delta": piece}
                    for piece in halves(spelled(arguments))
                ]
                ended = "response.function_call_arguments.done"
                inner.append({"type": ended, **at, "arguments": spelled(arguments)})
        events.append({"type": "response.output_item.added", "output_index": place, "item": begun})
        events += inner
        events.append({"type": "response.output_item.done", "output_index": place, "item": done})
    status = "incomplete" if script.stop else "completed"
    events.append({"type": f"response.{status}", "response": response(script, items(script), status)})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _summary(at: dict[str, Json], text: str) -> list[dict[str, Json]]:
    spot: dict[str, Json] = {**at, "summary_index": 0}
    part: Json = {"type": "summary_text", "text": ""}
    return [
        {"type": "response.reasoning_summary_part.added", **spot, "part": part},
        *(
            {"type": "response.reasoning_summary_text.delta", **spot, "delta": piece}
            for piece in halves(text)
        ),
        {"type": "response.reasoning_summary_text.done", **spot, "text": text},
    ]


def _parts(at: dict[str, Json], text: str) -> list[dict[str, Json]]:
    spot: dict[str, Json] = {**at, "content_index": 0}
    part: dict[str, Json] = {"type": "output_text", "text": "", "annotations": []}
    deltas: Sequence[dict[str, Json]] = [
        {"type": "response.output_text.delta", **spot, "delta": piece, "logprobs": []}
        for piece in halves(text)
    ]
    return [
        {"type": "response.content_part.added", **spot, "part": part},
        *deltas,
        {"type": "response.output_text.done", **spot, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **spot, "part": {**part, "text": text}},
    ]
