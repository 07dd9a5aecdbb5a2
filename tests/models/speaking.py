"""The three dialects as their providers speak them, for tests that hold for each."""

from typing import NamedTuple

from perdure.adapters.models.asked import AskedModel
from perdure.adapters.models.making import make_model
from perdure.values.digest import Json
from tests.models.upstream import Answered, Event, streamed

KEY = "sk-very-secret-0123456789"


class Spoken(NamedTuple):
    """One dialect: how the model is named, and what comes over the wire."""

    spec: str
    base: str
    """path of the base URL"""
    path: str
    variable: str
    """where the SDK looks for its key"""
    text: list[Event]
    """the events of the reply 'Hello world'"""
    call: list[Event]
    """the events of a call of pay with {"n": 1}"""
    broken: Event
    """an event in mid-stream that says: overloaded"""
    done: bool

    def answer(self, events: list[Event], *, cut: bool = False) -> Answered:
        """Return the events as an answer."""
        return streamed(events, done=self.done and not cut, cut=cut)

    def model(self, address: str, **settings: Json) -> AskedModel:
        """Return the model at ``address``."""
        made = make_model(self.spec, base_url=f"{address}{self.base}", settings=settings)
        assert isinstance(made, AskedModel)
        return made


def _message(block: Event, deltas: list[Event], stop: str) -> list[Event]:
    usage: Json = {"input_tokens": 20, "output_tokens": 1, "cache_read_input_tokens": 80}
    message: Event = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [],
        "usage": usage,
    }
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 10}},
        {"type": "message_stop"},
    ]


ANTHROPIC = Spoken(
    spec="anthropic:claude-sonnet-4-5",
    base="",
    path="/v1/messages",
    variable="ANTHROPIC_API_KEY",
    text=_message(
        {"type": "text", "text": ""},
        [{"type": "text_delta", "text": "Hello "}, {"type": "text_delta", "text": "world"}],
        "end_turn",
    ),
    call=_message(
        {"type": "tool_use", "id": "call_1", "name": "pay", "input": {}},
        [
            {"type": "input_json_delta", "partial_json": '{"n"'},
            {"type": "input_json_delta", "partial_json": ": 1}"},
        ],
        "tool_use",
    ),
    broken={"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
    done=False,
)


def _chunks(deltas: list[Event], finish: str) -> list[Event]:
    head: Event = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    usage: Json = {
        "prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110,
        "prompt_tokens_details": {"cached_tokens": 80},
    }  # fmt: skip
    return [
        *({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas),
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
        {**head, "choices": [], "usage": usage},
    ]


def _piece(**function: str) -> Event:
    first: Event = {"id": "call_1", "type": "function"} if "name" in function else {}
    return {"tool_calls": [{"index": 0, **first, "function": {**function}}]}


CHAT = Spoken(
    spec="openai-chat:gpt-4o",
    base="/v1",
    path="/v1/chat/completions",
    variable="OPENAI_API_KEY",
    text=_chunks([{"role": "assistant", "content": ""}, {"content": "Hello "}, {"content": "world"}], "stop"),
    call=_chunks(
        [_piece(name="pay", arguments=""), _piece(arguments='{"n"'), _piece(arguments=": 1}")], "tool_calls"
    ),
    broken={"error": {"type": "server_error", "code": None, "message": "Overloaded"}},
    done=True,
)


def _response(item: Event, deltas: list[Event]) -> list[Event]:
    usage: Json = {
        "input_tokens": 100, "output_tokens": 10, "total_tokens": 110,
        "input_tokens_details": {"cached_tokens": 80},
    }  # fmt: skip
    response: Event = {"id": "resp_1", "object": "response", "status": "in_progress", "output": []}
    return [
        {"type": "response.created", "response": response},
        *deltas,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {
            "type": "response.completed",
            "response": {**response, "status": "completed", "output": [item], "usage": usage},
        },
    ]


def _told(piece: str) -> Event:
    return {"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "delta": piece}


RESPONSES = Spoken(
    spec="openai:gpt-4o",
    base="/v1",
    path="/v1/responses",
    variable="OPENAI_API_KEY",
    text=_response(
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Hello world", "annotations": []}],
        },
        [_told("Hello "), _told("world")],
    ),
    call=_response(
        {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "pay", "arguments": '{"n": 1}'},
        [],
    ),
    broken={"type": "error", "code": "server_error", "message": "Overloaded", "param": None},
    done=False,
)

ALL = [ANTHROPIC, CHAT, RESPONSES]
