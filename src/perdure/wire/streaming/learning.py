"""What is learned of a reply while it comes: one note for each event that says something."""

from collections.abc import Callable
from typing import Final, NamedTuple

from perdure.log.events import Usage
from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api
from perdure.wire.reading import dict_at, dicts_at, text_at
from perdure.wire.streaming.exchange import Mishap
from perdure.wire.usage import anthropic_usage, chat_usage, responses_usage

_PASSING: Final = frozenset(
    {
        "overloaded_error",
        "api_error",
        "rate_limit_error",
        "timeout_error",
        "server_error",
        "rate_limit_exceeded",
        "server_is_overloaded",
        "slow_down",
    }
)
"""Kinds of errors that pass by themselves."""

_BROKEN_OFF: Final = frozenset(
    {"max_tokens", "model_context_window_exceeded", "refusal", "pause_turn", "length", "content_filter"}
    | {"max_output_tokens", "incomplete"}
)
"""Stops after which a call may lack its end, or nobody waits for its answer."""

_HOSTED: Final = frozenset(
    {"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call", "mcp_call"}
)
"""Calls of Responses that the provider makes and answers itself."""

_USAGES: Final[dict[Api, Callable[[Json], Usage]]] = {
    "messages": anthropic_usage,
    "chat": chat_usage,
    "responses": responses_usage,
}


class SeenCall(NamedTuple):
    """A call that the client, or whoever stands before it, has to answer."""

    id: str
    name: str


class Learned:
    """What is known of one reply of the provider so far."""

    def __init__(self, api: Api) -> None:
        """Nothing yet."""
        self.api: Api = api
        self.begun: bool = False
        """something that the model said has come"""
        self.id: str = ""
        self.calls: dict[int, SeenCall] = {}
        """by their place in the reply"""
        self.thoughts: int = 0
        """blocks of thinking, or items of reasoning"""
        self.counted: dict[str, Json] = {}
        """the usage, as the provider spells it"""
        self.stop: str = ""
        """why it ended, in the provider's words"""
        self.mishap: Mishap | None = None
        self.ended: bool = False
        """it has come to its end"""

    @property
    def usage(self) -> Usage:
        """The tokens that it took."""
        return _USAGES[self.api](self.counted)

    @property
    def answerable(self) -> bool:
        """Whether its calls are whole, and answers to them are waited for."""
        return self.mishap is None and self.stop not in _BROKEN_OFF

    def learn(self, event: dict[str, Json]) -> None:
        """Take in an event of a stream."""
        _LEARN[self.api](self, event)

    def learn_whole(self, body: dict[str, Json]) -> None:
        """Take in a reply that is no stream."""
        _LEARN_WHOLE[self.api](self, body)
        self.begun = True
        self.ended = self.mishap is None


def _mishap(error: Json, otherwise: str) -> Mishap:
    kind = text_at(error, "code") or text_at(error, "type") or otherwise
    return Mishap(kind, text_at(error, "message"), kind in _PASSING or text_at(error, "type") in _PASSING)


def _place(event: dict[str, Json], name: str, otherwise: int) -> int:
    place = event.get(name)
    return place if isinstance(place, int) else otherwise


def _messages(learned: Learned, event: dict[str, Json]) -> None:
    match event.get("type"):
        case "message_start":
            message = dict_at(event, "message")
            learned.id = text_at(message, "id")
            learned.counted = {**dict_at(message, "usage")}
        case "content_block_start":
            learned.begun = True
            _message_block(learned, _place(event, "index", 0), dict_at(event, "content_block"))
        case "content_block_delta":
            learned.begun = True
        case "message_delta":
            learned.stop = text_at(dict_at(event, "delta"), "stop_reason") or learned.stop
            usage = dict_at(event, "usage")
            learned.counted |= {name: value for name, value in usage.items() if value is not None}
        case "message_stop":
            learned.ended = True
        case "error":
            learned.mishap = _mishap(event.get("error"), "error")
        case _:
            pass


def _message_block(learned: Learned, place: int, block: dict[str, Json]) -> None:
    kind = text_at(block, "type")
    if kind == "tool_use":
        learned.calls[place] = SeenCall(text_at(block, "id"), text_at(block, "name"))
    elif kind in {"thinking", "redacted_thinking"}:
        learned.thoughts += 1


def _whole_message(learned: Learned, body: dict[str, Json]) -> None:
    if body.get("type") == "error":
        learned.mishap = _mishap(body.get("error"), "error")
        return
    learned.id, learned.stop = text_at(body, "id"), text_at(body, "stop_reason")
    learned.counted = dict_at(body, "usage")
    for place, block in enumerate(dicts_at(body, "content")):
        _message_block(learned, place, block)


def _chat(learned: Learned, event: dict[str, Json]) -> None:
    learned.id = learned.id or text_at(event, "id")
    learned.counted = dict_at(event, "usage") or learned.counted
    if event.get("error"):
        learned.mishap = _mishap(event.get("error"), "error")
    for choice in dicts_at(event, "choices"):
        if _place(choice, "index", 0):
            continue
        delta = dict_at(choice, "delta")
        learned.begun = learned.begun or any(value for name, value in delta.items() if name != "role")
        learned.stop = text_at(choice, "finish_reason") or learned.stop
        for position, call in enumerate(dicts_at(delta, "tool_calls")):
            place = _place(call, "index", position)
            known = learned.calls.get(place, SeenCall("", ""))
            name = text_at(dict_at(call, "function"), "name")
            learned.calls[place] = SeenCall(known.id or text_at(call, "id"), known.name or name)


def _whole_chat(learned: Learned, body: dict[str, Json]) -> None:
    learned.id, learned.counted = text_at(body, "id"), dict_at(body, "usage")
    if body.get("error"):
        learned.mishap = _mishap(body.get("error"), "error")
    for choice in dicts_at(body, "choices")[:1]:
        learned.stop = text_at(choice, "finish_reason")
        for place, call in enumerate(dicts_at(dict_at(choice, "message"), "tool_calls")):
            learned.calls[place] = SeenCall(text_at(call, "id"), text_at(dict_at(call, "function"), "name"))


def is_clients(kind: str) -> bool:
    """Tell whether an item of Responses is a call that the client answers; kinds unknown here count as such."""
    return kind.endswith("_call") and kind not in _HOSTED


def _responses(learned: Learned, event: dict[str, Json]) -> None:
    kind = text_at(event, "type")
    match kind:
        case "response.output_item.added":
            learned.begun = True
            _item(learned, _place(event, "output_index", len(learned.calls)), dict_at(event, "item"))
        case "response.created" | "response.in_progress" | "response.queued":
            learned.id = text_at(dict_at(event, "response"), "id") or learned.id
        case "response.completed" | "response.incomplete" | "response.failed":
            _whole_response(learned, dict_at(event, "response"))
            learned.ended = kind != "response.failed"
            learned.stop = learned.stop or kind.removeprefix("response.")
        case "error":
            learned.mishap = _mishap(event.get("error") or event, "error")
        case _:
            learned.begun = learned.begun or kind.endswith(".delta")


def _item(learned: Learned, place: int, item: dict[str, Json]) -> None:
    kind = text_at(item, "type")
    if is_clients(kind):
        learned.calls[place] = SeenCall(text_at(item, "call_id"), text_at(item, "name"))
    learned.thoughts += kind == "reasoning"


def _whole_response(learned: Learned, body: dict[str, Json]) -> None:
    status = text_at(body, "status")
    learned.id = text_at(body, "id") or learned.id
    learned.counted = dict_at(body, "usage") or learned.counted
    learned.stop = text_at(dict_at(body, "incomplete_details"), "reason") or status
    if body.get("error") or status in {"failed", "cancelled"}:
        learned.mishap = _mishap(body.get("error"), status or "error")
    output = dicts_at(body, "output")
    if output:
        learned.calls, learned.thoughts = {}, 0
    for place, item in enumerate(output):
        _item(learned, place, item)


_Learn = dict[Api, Callable[[Learned, dict[str, Json]], None]]
_LEARN: Final[_Learn] = {"messages": _messages, "chat": _chat, "responses": _responses}
_LEARN_WHOLE: Final[_Learn] = {
    "messages": _whole_message,
    "chat": _whole_chat,
    "responses": _whole_response,
}
