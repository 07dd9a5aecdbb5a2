"""Conversations of every kind: whole ones, and ones that a broken client could have left behind."""

import json

from hypothesis import strategies as st

from perdure.intention.declaration import Declaration
from perdure.intention.reply import Call, Reply
from perdure.values.digest import Json
from perdure.wire.chat import from_chat
from perdure.wire.messages import from_anthropic
from perdure.wire.prompt import Answered, Entry, Prompt, Said, UserText
from perdure.wire.responses import from_responses

TOOL = Declaration(
    "pay", description="Pay it.", schema={"type": "object", "properties": {"n": {"type": "integer"}}}
)

texts = st.text(max_size=12) | st.sampled_from(["", " ", "\ud800", "a\udc00b", "\u00e9\U0001f600"])
ids = st.sampled_from(["a", "b", "call_1", "functions.pay:0", "x" * 80, "", "\ud800"])
tools = st.sampled_from(["pay", "no such tool!", "", "p\ud800y"])
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
arguments = st.dictionaries(texts, values, max_size=3)


def message(text: str, calls: list[tuple[str, str]], *, thinking: bool) -> dict[str, Json]:
    """Return a message as Anthropic sends it: thought, text, calls by (id, arguments as JSON)."""
    thought: Json = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}
    content: list[Json] = [thought] if thinking else []
    if text:
        content.append({"type": "text", "text": text})
    for name, words in calls:
        content.append({"type": "tool_use", "id": name, "name": "pay", "input": json.loads(words)})
    usage: Json = {"input_tokens": 3, "output_tokens": 5, "cache_read_input_tokens": 7}
    stop = "tool_use" if calls else "end_turn"
    return {"role": "assistant", "content": content, "stop_reason": stop, "usage": usage}


def completion(text: str, calls: list[tuple[str, str]]) -> dict[str, Json]:
    """Return a chat completion as OpenAI sends it."""
    said: dict[str, Json] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    if calls:
        said["tool_calls"] = [
            {"id": name, "type": "function", "function": {"name": "pay", "arguments": words}}
            for name, words in calls
        ]
    finish = "tool_calls" if calls else "stop"
    usage: Json = {"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 7}}
    return {"choices": [{"index": 0, "message": said, "finish_reason": finish}], "usage": usage}


def response(text: str, calls: list[tuple[str, str]], *, encrypted: str | None = "ZW5j") -> dict[str, Json]:
    """Return a response as OpenAI sends it: a reasoning, a message, calls."""
    reasoning: dict[str, Json] = {"type": "reasoning", "id": "rs_1", "summary": []}
    output: list[Json] = [{**reasoning, "encrypted_content": encrypted} if encrypted else reasoning]
    part: Json = {"type": "output_text", "text": text, "annotations": []}
    if text:
        output.append(
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}
        )
    for name, words in calls:
        call: Json = {
            "type": "function_call",
            "id": f"fc_{name}",
            "call_id": name,
            "name": "pay",
            "arguments": words,
        }
        output.append(call)
    usage: Json = {"input_tokens": 10, "output_tokens": 5, "input_tokens_details": {"cached_tokens": 7}}
    return {"id": "resp_1", "status": "completed", "output": output, "usage": usage}


@st.composite
def replies(draw: st.DrawFn, names: st.SearchStrategy[str] = ids) -> Reply:
    """Draw a reply: of one of the providers with its blocks, or of none."""
    text = draw(texts)
    calls = [(name, json.dumps({"n": draw(st.integers())})) for name in draw(st.lists(names, max_size=3))]
    match draw(st.sampled_from(["anthropic", "chat", "responses", "plain"])):
        case "anthropic":
            return from_anthropic(message(text, calls, thinking=draw(st.booleans())))
        case "chat":
            return from_chat(completion(text, calls))
        case "responses":
            return from_responses(response(text, calls, encrypted=draw(st.sampled_from(["ZW5j", None]))))
        case _:
            made = draw(st.lists(st.builds(Call, names, tools, st.none() | arguments), max_size=3))
            return Reply(text=text, calls=tuple(made))


answers = st.builds(Answered, ids, texts, st.booleans())
entries: st.SearchStrategy[Entry] = st.builds(UserText, texts) | st.builds(Said, replies()) | answers


@st.composite
def any_prompts(draw: st.DrawFn) -> Prompt:
    """Draw a prompt whose entries follow no rule at all."""
    return Prompt(draw(texts), (TOOL,) * draw(st.integers(0, 1)), tuple(draw(st.lists(entries, max_size=8))))


@st.composite
def whole_prompts(draw: st.DrawFn) -> tuple[Prompt, Prompt]:
    """Draw a prompt in which every call is answered, and a longer one that it is the beginning of."""
    made: list[Entry] = [UserText(draw(texts))]
    ends = [1]
    for _ in range(draw(st.integers(1, 4))):
        reply = draw(replies(st.uuids().map(lambda name: f"call_{name.hex[:20]}")))
        made.append(Said(reply))
        made += [Answered(call.id, draw(texts)) for call in reply.calls]
        if not reply.calls or draw(st.booleans()):
            made.append(UserText(draw(texts)))
        ends.append(len(made))
    prompt = Prompt("be brief", (TOOL,), tuple(made))
    return Prompt("be brief", (TOOL,), tuple(made[: draw(st.sampled_from(ends))])), prompt
