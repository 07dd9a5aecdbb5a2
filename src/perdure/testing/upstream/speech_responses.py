"""How an utterance goes back in the words of OpenAI's Responses."""

from collections.abc import Iterator

from perdure.testing.upstream.caching import Metered
from perdure.testing.upstream.question import Question, ToolCall, Utterance
from perdure.testing.upstream.signet import Signet
from perdure.testing.upstream.speech import Rendering, Shape, arguments_of, event, output_tokens, parts
from perdure.values.digest import Json


def spoken_responses(
    question: Question, said: Utterance, metered: Metered, signet: Signet, at: int
) -> Rendering:
    """Return an answer of Responses."""
    items: list[Shape] = []
    if said.thought:
        items.append(
            {
                "id": signet.fresh("rs_"),
                "type": "reasoning",
                "summary": [],
                "encrypted_content": signet.seal(said.thought),
            }
        )
    if said.text:
        content: Shape = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
        items.append(
            {
                "id": signet.fresh("msg_"),
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [content],
            }
        )
    if said.sealed:
        sealed: Shape = {"id": signet.fresh("cmp_"), "type": "compaction"}
        items.append({**sealed, "encrypted_content": signet.seal(said.sealed)})
    items += [_call_item(call, signet) for call in said.calls]
    output = output_tokens(said)
    usage: Shape = {
        "input_tokens": metered.whole,
        "input_tokens_details": {"cached_tokens": metered.read},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": len(said.thought) // 4},
        "total_tokens": metered.whole + output,
    }
    listed: list[Json] = [*items]
    whole: Shape = {
        "id": signet.fresh("resp_"),
        "object": "response",
        "created_at": at,
        "status": "completed",
        "model": question.model,
        "output": listed,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": question.stored,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage,
    }
    return Rendering(whole, tuple(_events(whole, items)), tuple(items))


def _call_item(call: ToolCall, signet: Signet) -> Shape:
    if call.offer.manner == "custom":
        return {
            "id": signet.fresh("ctc_"),
            "type": "custom_tool_call",
            "status": "completed",
            "call_id": call.id,
            "name": call.offer.name,
            "input": call.free,
        }
    if call.offer.manner == "local_shell":
        action: Shape = {"type": "exec", "command": call.arguments["command"], "env": {}}
        return {
            "id": signet.fresh("lsh_"),
            "type": "local_shell_call",
            "status": "completed",
            "call_id": call.id,
            "action": action,
        }
    if call.offer.manner == "tool_search":
        return {
            "id": signet.fresh("tsc_"),
            "type": "tool_search_call",
            "status": "completed",
            "call_id": call.id,
            "execution": "client",
            "arguments": dict(call.arguments),
        }
    item: Shape = {
        "id": signet.fresh("fc_"),
        "type": "function_call",
        "status": "completed",
        "call_id": call.id,
        "name": call.offer.name,
        "arguments": arguments_of(call),
    }
    return {**item, "namespace": call.offer.space} if call.offer.space else item


def _events(whole: Shape, items: list[Shape]) -> Iterator[bytes]:
    number = -1

    def tell(kind: str, **fields: Json) -> bytes:
        nonlocal number
        number += 1
        return event({"type": kind, "sequence_number": number, **fields}, kind)

    opening: Shape = {**whole, "status": "in_progress", "output": [], "usage": None}
    yield tell("response.created", response=opening)
    yield tell("response.in_progress", response=opening)
    for place, item in enumerate(items):
        bare: Shape = {**item, "status": "in_progress"} if "status" in item else item
        for field in ("content", "arguments", "input"):
            if isinstance(item.get(field), str | list):
                bare = {**bare, field: [] if field == "content" else ""}
        yield tell("response.output_item.added", output_index=place, item=bare)
        for kind, fields in _inside(item):
            at: Shape = {"item_id": item["id"], "output_index": place, **fields}
            yield tell(kind, **at)
        yield tell("response.output_item.done", output_index=place, item=item)
    yield tell("response.completed", response=whole)


def _inside(item: Shape) -> Iterator[tuple[str, Shape]]:
    """Yield what fills an item."""
    match item["type"]:
        case "message":
            content = item["content"]
            part = content[0] if isinstance(content, list) else None
            text = str(part["text"]) if isinstance(part, dict) else ""
            spot: Shape = {"content_index": 0}
            empty: Shape = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            yield "response.content_part.added", {**spot, "part": empty}
            for piece in parts(text):
                yield "response.output_text.delta", {**spot, "delta": piece, "logprobs": []}
            yield "response.output_text.done", {**spot, "text": text, "logprobs": []}
            yield "response.content_part.done", {**spot, "part": part}
        case "function_call":
            for piece in parts(str(item["arguments"])):
                yield "response.function_call_arguments.delta", {"delta": piece}
            yield (
                "response.function_call_arguments.done",
                {"arguments": item["arguments"], "name": item["name"]},
            )
        case "custom_tool_call":
            for piece in parts(str(item["input"])):
                yield "response.custom_tool_call_input.delta", {"delta": piece}
            yield "response.custom_tool_call_input.done", {"input": item["input"]}
        case _:
            return
