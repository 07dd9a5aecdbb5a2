"""What a reply of several rounds becomes: for the provider each round with its answers, for the client one message.

Why the client's message is valid without us:
- It holds no withheld call, so no call lacks its result; all other blocks are as they came, so every signature stands
  beside what it signs, and they stand in the order in which the model said them.
- Messages: it begins as its first round began, which is what is asked of a turn that thinks. Thinking of two rounds
  never touches, since a row of thinking has to be one that came so: of two such rows the client has the first.
- Responses: a reasoning has to be followed by what it reasoned. One after which its round says nothing but withheld
  calls is withheld with them.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api
from perdure.wire.reading import dict_at, dict_first, dicts_at, text_at, text_raw
from perdure.wire.streaming.exchange import Given, Withheld
from perdure.wire.streaming.shapes import (
    EMPTY,
    Members,
    array_of,
    elements_of,
    is_object,
    member_of,
    members_of,
    object_of,
    parsed,
    raw,
    spelled,
    with_members,
)

BETWEEN: Final = "\n\n"
"""Between the texts of two rounds, where the client's message can hold only one."""

_NOT_SENT_BACK: Final = frozenset({"annotations", "audio", "function_call", "index"})


class Round(NamedTuple):
    """One reply of the provider, with the answers to the calls that were withheld from it."""

    whole: bytes
    hidden: frozenset[str]
    """ids of the calls that the client does not see"""
    answers: tuple[tuple[Withheld, Given], ...] = ()
    """a hidden call without one was never whole, and is dropped"""
    stored: bool = False
    """whether the provider keeps it, so that its parts can be named by their ids"""

    @property
    def lost(self) -> frozenset[str]:
        """The calls that were dropped."""
        return self.hidden - {call.id for call, _ in self.answers}


class RoundWords(NamedTuple):
    """How an API says it."""

    calls: Callable[[bytes], list[Withheld]]
    """the calls in a reply that someone has to answer, as far as they can be read"""
    said: Callable[[Round], list[bytes]]
    """a round as it is sent back, all calls in it"""
    told: Callable[[Round], list[bytes]]
    """the answers, as they join the client's own results"""
    heard: Callable[[list[bytes]], list[bytes]]
    """such answers as messages or items of their own"""
    merged: Callable[[Sequence[Round]], bytes]
    """the message, or list of items, that the client has"""
    body: Callable[[Sequence[Round], str], bytes]
    """a reply without a stream, as the client gets it; why it ends, where the last round does not say"""


def split_of(wording: RoundWords, rounds: Sequence[Round]) -> list[bytes]:
    """Return the rounds with their answers between them; the last round's are not among them."""
    elements: list[bytes] = []
    for number, made in enumerate(rounds, 1):
        elements += wording.said(made)
        elements += wording.heard(wording.told(made)) if number < len(rounds) else []
    return elements


def _as_is(told: list[bytes]) -> list[bytes]:
    return told


# --- Anthropic Messages ---------------------------------------------------------------------------


def _blocks(made: Round, without: frozenset[str]) -> list[bytes]:
    return [block for block in elements_of(member_of(made.whole, "content")) if not _calls(block, without)]


def _calls(block: bytes, ids: frozenset[str]) -> bool:
    shape = parsed(block) if ids else None
    return shape is not None and shape.get("type") == "tool_use" and text_raw(shape, "id") in ids


def _message_calls(whole: bytes) -> list[Withheld]:
    blocks = elements_of(member_of(whole, "content"))
    return [
        Withheld(text_raw(shape, "id"), text_raw(shape, "name"), _input(block))
        for block in blocks
        for shape in (parsed(block) or {},)
        if shape.get("type") == "tool_use"
    ]


def _input(block: bytes) -> str:
    return member_of(block, "input").decode(errors="replace")


def _said_message(made: Round) -> list[bytes]:
    """Return the message; Anthropic takes no empty text back that it sent."""
    blocks = [block for block in _blocks(made, made.lost) if not _says_nothing(block)]
    return [_assistant(blocks)] if blocks else []


def _says_nothing(block: bytes) -> bool:
    shape = parsed(block)
    return shape is not None and shape.get("type") == "text" and not text_at(shape, "text").strip()


def _assistant(blocks: list[bytes]) -> bytes:
    return b'{"role":"assistant","content":%b}' % array_of(blocks)


def _tool_results(made: Round) -> list[bytes]:
    return [_tool_result(call, given) for call, given in made.answers]


def _tool_result(call: Withheld, given: Given) -> bytes:
    block: dict[str, Json] = {"type": "tool_result", "tool_use_id": call.id, "content": given.text}
    return spelled({**block, "is_error": True} if given.is_error else block)


def _user(told: list[bytes]) -> list[bytes]:
    return [b'{"role":"user","content":%b}' % array_of(told)]


def is_thinking(kind: str) -> bool:
    """Tell whether a block of Messages is thought, not said."""
    return kind in {"thinking", "redacted_thinking"}


def _visible(rounds: Sequence[Round]) -> list[bytes]:
    """Return the blocks that the client has."""
    blocks: list[bytes] = []
    thought = False
    for made in rounds:
        touches = thought
        for block in _blocks(made, made.hidden):
            thinks = is_thinking(text_raw(parsed(block) or {}, "type"))
            touches = touches and thinks
            if not touches:
                blocks.append(block)
                thought = thinks
    return blocks


def _merged_message(rounds: Sequence[Round]) -> bytes:
    return _assistant(_visible(rounds))


def _message_body(rounds: Sequence[Round], stop: str) -> bytes:
    members = {**members_of(rounds[-1].whole), "content": msgspec.Raw(array_of(_visible(rounds)))}
    return object_of({**members, "stop_reason": raw(stop)} if stop else members)


# --- OpenAI Chat Completions ----------------------------------------------------------------------


def _choice(made: Round) -> bytes:
    choices = elements_of(member_of(made.whole, "choices"))
    return choices[0] if choices else EMPTY


def _message(made: Round, without: frozenset[str]) -> Members:
    """Return the message of a round less some calls."""
    members = members_of(member_of(_choice(made), "message"))
    if "tool_calls" not in members:
        return members
    calls = [
        call
        for call in elements_of(members["tool_calls"])
        if text_raw(parsed(call) or {}, "id") not in without
    ]
    kept = {name: value for name, value in members.items() if name != "tool_calls"}
    return {**kept, "tool_calls": msgspec.Raw(array_of(calls))} if calls else kept


def _chat_calls(whole: bytes) -> list[Withheld]:
    message = dict_at(dict_first(parsed(whole) or {}, "choices"), "message")
    return [
        Withheld(text_raw(call, "id"), text_raw(function, "name"), text_raw(function, "arguments"))
        for call in dicts_at(message, "tool_calls")
        for function in (dict_at(call, "function"),)
    ]


def _said_chat(made: Round) -> list[bytes]:
    members = {
        name: value
        for name, value in _message(made, made.lost).items()
        if name not in _NOT_SENT_BACK and bytes(value) != b"null"
    }
    if "tool_calls" in members:
        members["tool_calls"] = msgspec.Raw(array_of(map(_readable, elements_of(members["tool_calls"]))))
    elif not members:
        return []
    return [object_of({"role": raw("assistant"), "content": raw(""), **members})]


def _readable(call: bytes) -> bytes:
    """Return a call; arguments that are no object are none, since servers read what they are sent."""
    function = dict_at(parsed(call) or {}, "function")
    if is_object(text_raw(function, "arguments").encode(errors="replace")):
        return call
    return with_members(call, function={**function, "arguments": "{}"})


def _tool_messages(made: Round) -> list[bytes]:
    return [
        spelled({"role": "tool", "tool_call_id": call.id, "content": given.text})
        for call, given in made.answers
    ]


def _merged_chat(rounds: Sequence[Round]) -> bytes:
    """Return the message as one that was streamed: texts and lists go on from round to round."""
    merged: dict[str, Json] = {"role": "assistant"}
    for made in rounds:
        for name, value in (parsed(object_of(_message(made, made.hidden))) or {}).items():
            merged[name] = _gone_on(name, merged.get(name), value)
    return spelled(merged)


def _gone_on(name: str, before: Json, value: Json) -> Json:
    if name == "role" or not before:
        return value if value is not None else before
    if isinstance(before, str) and isinstance(value, str):
        return before + (BETWEEN if name == "content" and value else "") + value
    if isinstance(before, list) and isinstance(value, list):
        return [*before, *value]
    return before if value is None else value


def _chat_body(rounds: Sequence[Round], stop: str) -> bytes:
    last = rounds[-1]
    choice = {**members_of(_choice(last)), "message": msgspec.Raw(_merged_chat(rounds))}
    if stop:
        choice["finish_reason"] = raw(stop)
    others = elements_of(member_of(last.whole, "choices"))[1:]
    choices = msgspec.Raw(array_of([object_of(choice), *others]))
    return object_of({**members_of(last.whole), "choices": choices})


# --- OpenAI Responses -----------------------------------------------------------------------------


def _response_calls(whole: bytes) -> list[Withheld]:
    return [
        Withheld(text_raw(item, "call_id"), text_raw(item, "name"), text_raw(item, "arguments"))
        for item in dicts_at(parsed(whole) or {}, "output")
        if item.get("type") == "function_call"
    ]


def items_of(made: Round, without: frozenset[str]) -> list[bytes]:
    """Return the items of a round less some calls, and less each reasoning that led to nothing else."""
    items = elements_of(member_of(made.whole, "output"))
    shapes = [parsed(item) or {} for item in items]
    stays = [not without or text_raw(shape, "call_id") not in without for shape in shapes]
    if all(stays):
        return items
    led = between = False
    for place in reversed(range(len(items))):
        if shapes[place].get("type") == "reasoning":
            stays[place], between = led, True
        else:
            led, between = stays[place] or (led and not between), False
    return [item for item, stay in zip(items, stays, strict=True) if stay]


def _said_items(made: Round) -> list[bytes]:
    """Return the items; a reasoning that neither stands for itself nor is stored goes, and the ids that need it."""
    items = items_of(made, made.lost)
    shapes = [parsed(item) or {} for item in items]
    alone = [shape.get("type") != "reasoning" or bool(shape.get("encrypted_content")) for shape in shapes]
    if made.stored or all(alone):
        return items
    return [
        object_of({name: value for name, value in members_of(item).items() if name != "id"})
        for item, stands in zip(items, alone, strict=True)
        if stands
    ]


def _outputs(made: Round) -> list[bytes]:
    return [
        spelled({"type": "function_call_output", "call_id": call.id, "output": given.text})
        for call, given in made.answers
    ]


def _merged_items(rounds: Sequence[Round]) -> bytes:
    return array_of(item for made in rounds for item in items_of(made, made.hidden))


def _response_body(rounds: Sequence[Round], stop: str) -> bytes:
    del stop
    return response_of(rounds[-1].whole, rounds, "previous_response_id")


def response_of(whole: bytes, rounds: Sequence[Round], *names: str) -> bytes:
    """Return the response ``whole`` with the output of all rounds, and what stands under ``names`` in the first."""
    members = {**members_of(whole), "output": msgspec.Raw(_merged_items(rounds))}
    first = members_of(rounds[0].whole)
    return object_of({**members, **{name: first[name] for name in names if name in first}})


WORDINGS: Final[dict[Api, RoundWords]] = {
    "messages": RoundWords(
        _message_calls, _said_message, _tool_results, _user, _merged_message, _message_body
    ),
    "chat": RoundWords(_chat_calls, _said_chat, _tool_messages, _as_is, _merged_chat, _chat_body),
    "responses": RoundWords(_response_calls, _said_items, _outputs, _as_is, _merged_items, _response_body),
}
