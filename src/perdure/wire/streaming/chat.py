"""A reply of several rounds as one stream of OpenAI Chat Completions: one id, one role, one finish, one usage."""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from perdure.values.digest import Json
from perdure.wire.reading import dict_at, dict_first, dicts_at, text_raw
from perdure.wire.streaming.follow import DONE, StreamedEvent
from perdure.wire.streaming.rounds import BETWEEN, Round
from perdure.wire.streaming.shapes import (
    Members,
    array_of,
    elements_of,
    member_of,
    members_of,
    object_of,
    parsed,
    raw,
    spelled,
    with_members,
)
from perdure.wire.streaming.sse import spelled_event
from perdure.wire.streaming.tongue import Addition

_SAME: Final = ("id", "created", "model", "system_fingerprint")
"""What all chunks of a completion share."""


class ChatTongue:
    """The deltas of all rounds, one after the other."""

    def __init__(self, *, usage_wanted: bool) -> None:
        """Begin; a usage that the client didn't ask for is not told."""
        self._usage_wanted: bool = usage_wanted
        self._same: Members = {}
        self._places: dict[int, int] = {}
        self._next: int = 0
        self._round: int = 1
        self._growing: int = -1
        """the call that grew last"""
        self._spoke: bool = False
        """an earlier round said something that the text of this one has to be parted from"""
        self._lists: dict[str, int] = {}
        """entries of other lists that earlier rounds filled"""
        self._longest: dict[str, int] = {}
        self._last: list[StreamedEvent] = []

    def additions(self, event: StreamedEvent) -> Sequence[Addition]:
        """Return what the event adds to which call; a call is whole when another one begins."""
        found: list[Addition] = []
        for position, call in enumerate(dicts_at(_delta(event.event), "tool_calls")):
            key = _index(call, position)
            function = dict_at(call, "function")
            begins = key > self._growing
            if begins and self._growing >= 0:
                found.append(Addition(self._growing, ends=True))
            self._growing = max(self._growing, key)
            name, text = text_raw(function, "name"), text_raw(function, "arguments")
            found.append(Addition(key, begins, id=text_raw(call, "id"), name=name, text=text))
        return found

    def settles(self, event: StreamedEvent) -> bool:
        """Tell whether the deltas are over."""
        shape = event.event
        return bool(_choice(shape).get("finish_reason") or shape.get("error")) or event.data == DONE

    def passes(self, event: StreamedEvent) -> bytes:
        """Take note of what the chunks share, and of calls."""
        if not self._same and event.event:
            self._same = {name: value for name, value in members_of(event.data).items() if name in _SAME}
        for position, call in enumerate(dicts_at(_delta(event.event), "tool_calls")):
            key = _index(call, position)
            self._places[key] = key
            self._next = max(self._next, key + 1)
        untold = event.event.get("usage") and not event.event.get("choices") and not self._usage_wanted
        return b"" if untold else event.piece

    def speaks(self, event: StreamedEvent, hidden: Collection[int]) -> bytes:
        """Return the chunk without hidden calls; what finishes the completion is kept."""
        shape = event.event
        if event.data == DONE or (shape.get("usage") and not shape.get("choices")):
            self._last.append(event)
            return b""
        choice = _choice(shape)
        if not choice:
            return event.piece if self._round == 1 or "error" in shape or not shape else b""
        finishes = bool(choice.get("finish_reason"))
        if finishes:
            self._last.append(event)
        delta = self._told(member_of(elements_of(member_of(event.data, "choices"))[0], "delta"), hidden)
        if finishes and not any(bytes(value) not in {b'""', b"null"} for value in delta.values()):
            return b""
        if not delta and not finishes and _delta(shape):
            return b""
        return self._chunk(event, delta, unfinished=finishes)

    def _told(self, delta: bytes, hidden: Collection[int]) -> Members:
        """Return what of a delta is told."""
        members = members_of(delta)
        calls = [
            with_members(call, index=self._place(key))
            for position, call in enumerate(elements_of(members.pop("tool_calls", raw([]))))
            for key in (_index(parsed(call) or {}, position),)
            if key not in hidden
        ]
        if calls:
            members["tool_calls"] = msgspec.Raw(array_of(calls))
        if self._round == 1:
            return members
        members.pop("role", None)
        for name, value in tuple(members.items()):
            if name != "tool_calls":
                members[name] = msgspec.Raw(self._counted_on(name, bytes(value)))
        text = members.get("content")
        if text is not None and bytes(text) in {b'""', b"null"}:
            del members["content"]
        elif text is not None and self._spoke:
            self._spoke = False
            members["content"] = raw(BETWEEN + text_raw(parsed(delta) or {}, "content"))
        return members

    def _counted_on(self, name: str, value: bytes) -> bytes:
        """Return a list with the indexes of its entries counted on from those of the rounds before."""
        entries = elements_of(value) if value.startswith(b"[") else []
        shapes = [parsed(entry) or {} for entry in entries]
        before = self._lists.get(name, 0)
        if not before or not any(isinstance(shape.get("index"), int) for shape in shapes):
            return value
        return array_of(
            with_members(entry, index=_index(shape, 0) + before) if "index" in shape else entry
            for entry, shape in zip(entries, shapes, strict=True)
        )

    def _place(self, key: int) -> int:
        if key not in self._places:
            self._places[key] = self._next
            self._next += 1
        return self._places[key]

    def _chunk(self, event: StreamedEvent, delta: Members, *, unfinished: bool) -> bytes:
        members = members_of(event.data)
        first, *others = elements_of(members["choices"])
        choice = {**members_of(first), "delta": msgspec.Raw(object_of(delta))}
        if unfinished:
            choice["finish_reason"] = raw(None)
            members.pop("usage", None)
        choices = msgspec.Raw(array_of([object_of(choice), *others]))
        return spelled_event(event.name, object_of({**members, **self._same, "choices": choices}))

    def goes_on(self, whole: bytes) -> None:
        """Begin another round."""
        message = dict_at(dict_first(parsed(whole), "choices"), "message")
        self._spoke = self._spoke or bool(message.get("content"))
        for name, value in message.items():
            if isinstance(value, list) and name != "tool_calls":
                indexes = [_index(entry, 0) for entry in value if isinstance(entry, dict)]
                self._lists[name] = self._lists.get(name, 0) + max(indexes, default=-1) + 1
        self._round += 1
        self._places, self._growing, self._last = {}, -1, []

    def ends(self, rounds: Sequence[Round], stop: str) -> bytes:
        """Return the chunk that finishes, with nothing else in it, the usage, and the end of the stream."""
        del rounds
        return b"".join(self._ending(event, stop) for event in self._last)

    def _ending(self, event: StreamedEvent, stop: str) -> bytes:
        if not event.event:
            return event.piece
        if not event.event.get("choices"):
            whole = object_of({**members_of(event.data), **self._same})
            return spelled_event(event.name, whole) if self._usage_wanted else b""
        members = members_of(event.data)
        first, *others = elements_of(members["choices"])
        choice = with_members(first, delta={}, **({"finish_reason": stop} if stop else {}))
        choices = msgspec.Raw(array_of([choice, *others]))
        return spelled_event(event.name, object_of({**members, **self._same, "choices": choices}))

    def fails(self, kind: str, text: str) -> bytes:
        """Return an error as a chunk."""
        error: Json = {"message": text, "type": kind, "param": None, "code": kind}
        return spelled_event(b"", spelled({"error": error}))


def _choice(shape: dict[str, Json]) -> dict[str, Json]:
    """Return the first choice of a chunk, the only one that calls are withheld from."""
    choices = shape.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    return choice if isinstance(choice, dict) and _index(choice, 0) == 0 else {}


def _delta(shape: dict[str, Json]) -> dict[str, Json]:
    return dict_at(_choice(shape), "delta")


def _index(shape: dict[str, Json], otherwise: int) -> int:
    index = shape.get("index")
    return index if isinstance(index, int) else otherwise
