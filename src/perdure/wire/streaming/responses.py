"""A reply of several rounds as one stream of OpenAI Responses: one response, its items and events counted on.

The response keeps the id that it began with, since clients break off where it changes. Whoever stands in front of
the provider has to put the last round's id in its place when a client goes on from it.
"""

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from perdure.values.digest import Json
from perdure.wire.reading import dict_at, text_at, text_raw
from perdure.wire.streaming.follow import StreamedEvent
from perdure.wire.streaming.learning import is_clients
from perdure.wire.streaming.rounds import Round, response_of
from perdure.wire.streaming.shapes import member_of, members_of, object_of, spelled, with_members
from perdure.wire.streaming.sse import spelled_event
from perdure.wire.streaming.tongue import Addition

_BEGINS: Final = frozenset({"response.created", "response.in_progress", "response.queued"})
_ENDS: Final = frozenset({"response.completed", "response.incomplete"})
_FAILS: Final = frozenset({"response.failed", "error"})


class ResponsesTongue:
    """The items of all rounds, counted on."""

    def __init__(self) -> None:
        """Begin with nothing told."""
        self._places: dict[int, int] = {}
        self._next: int = 0
        self._round: int = 1
        self._number: int | None = None
        """of the event that comes next, once they are counted here"""
        self._id: str = ""
        self._begun: set[int] = set()
        self._last: list[StreamedEvent] = []

    def additions(self, event: StreamedEvent) -> Sequence[Addition]:
        """Return what the event adds to which item."""
        shape = event.event
        kind = text_raw(shape, "type")
        if kind in _ENDS:
            return self._untold(shape)
        place = shape.get("output_index")
        if not isinstance(place, int):
            return ()
        match kind:
            case "response.output_item.added":
                return (self._item(place, dict_at(shape, "item"), ends=False),)
            case "response.output_item.done":
                return (self._item(place, dict_at(shape, "item"), ends=True),)
            case "response.function_call_arguments.delta":
                return (Addition(place, text=text_raw(shape, "delta")),)
            case _:
                return ()

    def _item(self, place: int, item: dict[str, Json], *, ends: bool) -> Addition:
        kind = text_raw(item, "type")
        begins = place not in self._begun
        self._begun.add(place)
        if not is_clients(kind):
            return Addition(place, begins, ends, thinks=kind == "reasoning")
        text = text_raw(item, "arguments")
        name = text_raw(item, "name") if kind == "function_call" else ""
        return Addition(place, begins, ends, text_raw(item, "call_id"), name, text, whole=bool(ends and text))

    def _untold(self, shape: dict[str, Json]) -> Sequence[Addition]:
        """Return the items that stand in the response at its end and in no event before."""
        output = dict_at(shape, "response").get("output")
        items = output if isinstance(output, list) and not self._begun else []
        return [
            self._item(place, item, ends=True) for place, item in enumerate(items) if isinstance(item, dict)
        ]

    def settles(self, event: StreamedEvent) -> bool:
        """Tell whether the items are over."""
        kind = text_raw(event.event, "type")
        return kind in _ENDS or kind in _FAILS

    def passes(self, event: StreamedEvent) -> bytes:
        """Take note of the response's id and of items."""
        shape = event.event
        if text_raw(shape, "type") in _BEGINS:
            self._id = self._id or text_at(dict_at(shape, "response"), "id")
        place = shape.get("output_index")
        if isinstance(place, int):
            self._places[place] = place
            self._next = max(self._next, place + 1)
        return event.piece

    def speaks(self, event: StreamedEvent, hidden: Collection[int]) -> bytes:
        """Return the event with its own number, and with its item's index among all that were told."""
        shape = event.event
        kind = text_raw(shape, "type")
        if self._number is None and isinstance(number := shape.get("sequence_number"), int):
            self._number = number
        if kind in _ENDS:
            self._last.append(event)
            return b""
        if kind in _BEGINS:
            if self._round > 1:
                return b""
            self._id = self._id or text_at(dict_at(shape, "response"), "id")
        place = shape.get("output_index")
        if isinstance(place, int):
            return b"" if place in hidden else self._numbered(event, output_index=self._place(place))
        return self._numbered(event) if shape else event.piece

    def _place(self, place: int) -> int:
        if place not in self._places:
            self._places[place] = self._next
            self._next += 1
        return self._places[place]

    def _numbered(self, event: StreamedEvent, **values: Json) -> bytes:
        changes = {name: value for name, value in values.items() if event.event.get(name) != value}
        if "sequence_number" in event.event and self._number is not None:
            if event.event["sequence_number"] != self._number:
                changes["sequence_number"] = self._number
            self._number += 1
        if not changes:
            return event.piece
        return spelled_event(event.name, with_members(event.data, **changes))

    def goes_on(self, whole: bytes) -> None:
        """Begin another round; its items come after those that were told."""
        del whole
        self._round += 1
        self._places, self._begun, self._last = {}, set(), []

    def ends(self, rounds: Sequence[Round], stop: str) -> bytes:
        """Return the event that ends the response, which holds the items of all rounds."""
        del stop
        told = b""
        for event in self._last:
            response = response_of(member_of(event.data, "response"), rounds, "id", "previous_response_id")
            if self._id:
                response = with_members(response, id=self._id)
            data = object_of({**members_of(event.data), "response": msgspec.Raw(response)})
            told += self._numbered(event._replace(data=data, piece=spelled_event(event.name, data)))
        return told

    def fails(self, kind: str, text: str) -> bytes:
        """Return a response that failed."""
        error: Json = {"code": kind, "message": text}
        response: Json = {
            "id": self._id,
            "object": "response",
            "status": "failed",
            "error": error,
            "output": [],
        }
        event: dict[str, Json] = {"type": "response.failed", "response": response}
        if self._number is not None:
            event["sequence_number"] = self._number
        return spelled_event(b"response.failed", spelled(event))
