"""Requests as real clients send them, by our own hand: the shapes are theirs, the words are ours."""

import json
from typing import NamedTuple

from hypothesis import strategies as st

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api
from perdure.wire.bodies.reading import Memo, read_request
from perdure.wire.bodies.request import RequestBody
from tests.wire.bodies.spelling import texts

APIS: tuple[Api, ...] = ("messages", "chat", "responses")


class Did(NamedTuple):
    """A call and what it came to: a text, or texts in blocks."""

    call: str
    tool: str
    arguments: dict[str, Json]
    result: str | list[str]


class Spoke(NamedTuple):
    """What a person said, what the model said to it, and what it did."""

    asked: str
    text: str
    did: tuple[Did, ...]
    thought: str = ""


def read(api: Api, body: Json | bytes, memo: Memo | None = None) -> RequestBody:
    """Return the reading of a body that can be read."""
    spelled = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = read_request(api, spelled, memo or Memo())
    assert request is not None
    return request


def body_of(api: Api, turns: list[Spoke], **fields: Json) -> dict[str, Json]:
    """Return the request in which the client sends ``turns``, each with its results at the end."""
    match api:
        case "messages":
            return {"model": "claude-x", "max_tokens": 64, "messages": _messages(turns), **fields}
        case "chat":
            return {"model": "gpt-x", "messages": _chat(turns), **fields}
        case "responses":
            return {"model": "gpt-x", "store": False, "input": _responses(turns), **fields}


def items_of(api: Api, body: dict[str, Json]) -> list[Json]:
    items = body["input" if api == "responses" else "messages"]
    assert isinstance(items, list)
    return items


def _messages(turns: list[Spoke]) -> list[Json]:
    messages: list[Json] = []
    heard: list[Json] = []
    for turn in turns:
        if turn.asked or not messages:
            heard.append({"type": "text", "text": turn.asked or "go"})
        asked: dict[str, Json] = {"role": "user", "content": heard}
        messages += [asked, said_message(turn)]
        heard = [
            {"type": "tool_result", "tool_use_id": did.call, "content": _blocks(did.result, "text")}
            for did in turn.did
        ]
    return [*messages, {"role": "user", "content": heard or [{"type": "text", "text": "on"}]}]


def said_message(turn: Spoke) -> Json:
    thought: list[Json] = [{"type": "thinking", "thinking": turn.thought, "signature": "c2ln"}]
    said: list[Json] = [{"type": "text", "text": turn.text}]
    calls: list[Json] = [
        {"type": "tool_use", "id": did.call, "name": did.tool, "input": did.arguments} for did in turn.did
    ]
    content = (thought if turn.thought else []) + (said if turn.text or not calls else []) + calls
    return {"role": "assistant", "content": content}


def _chat(turns: list[Spoke]) -> list[Json]:
    messages: list[Json] = [{"role": "system", "content": "be brief"}]
    for turn in turns:
        if turn.asked:
            messages.append({"role": "user", "content": turn.asked})
        messages.append(said_chat(turn))
        messages += answers_chat(turn)
    return messages


def said_chat(turn: Spoke) -> Json:
    calls: list[Json] = [
        {
            "id": did.call,
            "type": "function",
            "function": {"name": did.tool, "arguments": json.dumps(did.arguments)},
        }
        for did in turn.did
    ]
    said: dict[str, Json] = {"role": "assistant", "content": turn.text}
    return {**said, "tool_calls": calls} if calls else said


def answers_chat(turn: Spoke) -> list[Json]:
    return [
        {"role": "tool", "tool_call_id": did.call, "content": _blocks(did.result, "text")} for did in turn.did
    ]


def _responses(turns: list[Spoke]) -> list[Json]:
    items: list[Json] = []
    for turn in turns:
        if turn.asked:
            asked: Json = [{"type": "input_text", "text": turn.asked}]
            items.append({"type": "message", "role": "user", "content": asked})
        items += said_items(turn) + answers_items(turn)
    return items


def said_items(turn: Spoke) -> list[Json]:
    items: list[Json] = []
    if turn.thought:
        items.append({"type": "reasoning", "summary": [], "encrypted_content": f"ZW5j{turn.thought}"})
    if turn.text or not turn.did:
        part: Json = [{"type": "output_text", "text": turn.text, "annotations": []}]
        items.append({"type": "message", "role": "assistant", "content": part})
    for did in turn.did:
        call: Json = {"call_id": did.call, "name": did.tool, "arguments": json.dumps(did.arguments)}
        items.append({"type": "function_call", **call})
    return items


def answers_items(turn: Spoke) -> list[Json]:
    return [
        {
            "type": "function_call_output",
            "call_id": did.call,
            "output": _blocks(did.result, "input_text"),
        }
        for did in turn.did
    ]


def _blocks(result: str | list[str], kind: str) -> Json:
    return result if isinstance(result, str) else [{"type": kind, "text": text} for text in result]


arguments: st.SearchStrategy[dict[str, Json]] = st.dictionaries(
    st.sampled_from(["path", "command", "n"]), texts | st.integers(0, 9), max_size=2
)


@st.composite
def conversations(draw: st.DrawFn, least: int = 0) -> list[Spoke]:
    """Conversations of a few turns, in which every call has an id of its own and is answered."""
    turns: list[Spoke] = []
    for number in range(draw(st.integers(least, 4))):
        did = tuple(
            Did(f"call_{number}_{place}", draw(st.sampled_from(["Read", "Bash"])), draw(arguments), result)
            for place, result in enumerate(draw(st.lists(texts | st.lists(texts, max_size=2), max_size=3)))
        )
        asked = draw(texts) if did and turns and turns[-1].did else draw(texts) or "go"
        turns.append(Spoke(asked, draw(texts), did, draw(texts)))
    return turns


def tools_of(api: Api, *names: str, strict: bool = False) -> list[Json]:
    """Return tools with a schema and a long description."""
    schema: Json = {
        "type": "object",
        "properties": {"path": {"type": "string", "description": "where it lies, from the root on"}},
        "required": ["path"],
        "additionalProperties": False,
    }
    words = "Read a file.\n" + "It says everything that it finds there. " * 20
    offered: list[Json] = []
    for name in names:
        core: dict[str, Json] = {"name": name, "description": words}
        if api == "messages":
            offered.append({**core, "input_schema": schema, **({"strict": True} if strict else {})})
        elif api == "chat":
            offered.append({"type": "function", "function": {**core, "parameters": schema, "strict": strict}})
        else:
            offered.append({"type": "function", **core, "parameters": schema, "strict": strict})
    return offered
