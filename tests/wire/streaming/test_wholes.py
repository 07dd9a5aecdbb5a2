"""However a stream is cut into pieces, the whole that comes of it is the same."""

import json

from hypothesis import given
from hypothesis import strategies as st

from perdure.values.digest import Json
from perdure.wire.chat import from_chat
from perdure.wire.messages import from_anthropic
from perdure.wire.reading import dict_at, dicts_at, text_at
from perdure.wire.responses import from_responses
from perdure.wire.streaming.wholes import ChatStream, MessageStream, ResponseStream
from tests.wire.conversations import completion, message, response

Event = dict[str, Json]

plain = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
calls = st.lists(
    st.tuples(st.uuids().map(str), st.dictionaries(plain, st.integers() | plain, max_size=3).map(json.dumps)),
    max_size=3,
)


def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """Cut ``text`` at drawn places; some pieces are empty."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=5)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def message_events(draw: st.DrawFn) -> tuple[Event, list[Event]]:
    whole = message(draw(plain), draw(calls), thinking=draw(st.booleans()))
    start: Event = {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}
    events: list[Event] = [start, {"type": "ping"}]
    for index, block in enumerate(dicts_at(whole, "content")):
        begun, deltas = _opened(draw, block)
        events.append({"type": "content_block_start", "index": index, "content_block": begun})
        events.extend({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)
        events.append({"type": "content_block_stop", "index": index})
    last: Json = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    events.append(
        {"type": "message_delta", "delta": last, "usage": {"output_tokens": 5, "input_tokens": None}}
    )
    return whole, [*events, {"type": "message_stop"}]


def _opened(draw: st.DrawFn, block: Event) -> tuple[Event, list[Event]]:
    match block["type"]:
        case "thinking":
            deltas: list[Event] = [
                {"type": "thinking_delta", "thinking": text} for text in pieces(draw, "hm")
            ]
            signature: Event = {"type": "signature_delta", "signature": "c2ln"}
            return {"type": "thinking", "thinking": "", "signature": ""}, [*deltas, signature]
        case "tool_use":
            words = json.dumps(block["input"]) if block["input"] or draw(st.booleans()) else ""
            made: list[Event] = [
                {"type": "input_json_delta", "partial_json": text} for text in pieces(draw, words)
            ]
            return {**block, "input": {}}, made
        case _:
            text = text_at(block, "text")
            return {**block, "text": ""}, [
                {"type": "text_delta", "text": piece} for piece in pieces(draw, text)
            ]


@given(message_events())
def test_a_streamed_message_is_the_message(drawn: tuple[Event, list[Event]]):
    whole, events = drawn
    stream = MessageStream()
    told = "".join([stream.take(event) for event in events])
    made = stream.whole()
    assert made is not None
    assert from_anthropic(made) == from_anthropic(whole)
    assert told == from_anthropic(whole).text


@given(message_events(), st.data())
def test_a_message_that_breaks_off_gives_nothing(drawn: tuple[Event, list[Event]], data: st.DataObject):
    events = drawn[1][: data.draw(st.integers(0, len(drawn[1]) - 1))]
    stream = MessageStream()
    for event in events:
        stream.take(event)
    assert stream.whole() is None


@st.composite
def chunks(draw: st.DrawFn) -> tuple[Event, list[Event]]:
    whole = completion(draw(plain), draw(calls))
    said = dict_at(dicts_at(whole, "choices")[0], "message")
    deltas: list[Event] = [{"role": "assistant", "content": ""}]
    deltas.extend({"content": piece} for piece in pieces(draw, text_at(said, "content")))
    for index, call in enumerate(dicts_at(said, "tool_calls")):
        function = dict_at(call, "function")
        deltas.append({"tool_calls": [{**call, "index": index, "function": {**function, "arguments": ""}}]})
        cut = pieces(draw, text_at(function, "arguments"))
        deltas.extend({"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in cut)
    events: list[Event] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    finish = dicts_at(whole, "choices")[0]["finish_reason"]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    return whole, [*events, {"choices": [], "usage": whole["usage"]}]


@given(chunks())
def test_a_streamed_completion_is_the_completion(drawn: tuple[Event, list[Event]]):
    whole, events = drawn
    stream = ChatStream()
    told = "".join([stream.take(event) for event in events])
    made = stream.whole()
    assert made is not None
    assert from_chat(made) == from_chat(whole)
    assert told == from_chat(whole).text


def test_a_completion_that_breaks_off_gives_nothing():
    stream = ChatStream()
    assert stream.take({"choices": [{"delta": {"content": "a"}}]}) == "a"
    assert stream.whole() is None


def test_calls_without_an_index_are_told_apart_by_their_place():
    stream = ChatStream()
    function: Json = {"name": "pay", "arguments": '{"n": 1}'}
    stream.take(
        {"choices": [{"delta": {"tool_calls": [{"id": "a", "function": function}]}, "finish_reason": "stop"}]}
    )
    made = stream.whole()
    assert made is not None
    assert [(call.id, call.tool, call.arguments) for call in from_chat(made).calls] == [
        ("a", "pay", {"n": 1})
    ]


def test_a_streamed_response_is_the_one_that_completes_it():
    whole = response("I pay.", [("call_1", '{"n": 1}')])
    stream = ResponseStream()
    assert stream.take({"type": "response.created"}) == ""
    assert stream.take({"type": "response.output_text.delta", "delta": "I pay."}) == "I pay."
    for item in dicts_at(whole, "output"):
        assert stream.take({"type": "response.output_item.done", "item": item}) == ""
    assert stream.whole() is None
    stream.take({"type": "response.completed", "response": {**whole, "output": []}})
    made = stream.whole()
    assert made is not None
    assert from_responses(made) == from_responses(whole)


def test_citations_are_gathered_on_their_block():
    stream = MessageStream()
    stream.take({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    for name in ("a", "b"):
        delta: Json = {"type": "citations_delta", "citation": {"title": name}}
        stream.take({"type": "content_block_delta", "index": 0, "delta": delta})
    stream.take({"type": "message_stop"})
    made = stream.whole()
    assert made is not None
    assert dicts_at(made, "content")[0]["citations"] == [{"title": "a"}, {"title": "b"}]
