"""A reply of several rounds as one stream of Anthropic Messages.

``message_start`` tells the usage of the first round, the only one that is known then; ``message_delta`` tells that of
the last one in full, and clients take its counts over those of the start.
"""

from collections.abc import Collection, Sequence
from typing import Final

from perdure.values.digest import Json
from perdure.wire.reading import dict_at, text_raw
from perdure.wire.streaming.follow import StreamedEvent
from perdure.wire.streaming.rounds import Round, is_thinking
from perdure.wire.streaming.shapes import spelled, with_members
from perdure.wire.streaming.sse import spelled_event
from perdure.wire.streaming.tongue import Addition

_COUNTED: Final = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation")
"""Of the usage at the start: what the end has to say again where it is another round's."""


class MessagesTongue:
    """The blocks of all rounds, counted on."""

    def __init__(self) -> None:
        """Begin with no block told."""
        self._places: dict[int, int] = {}
        self._next: int = 0
        self._round: int = 1
        self._thought: int = 0
        """the round whose thinking was told last, with nothing after it; 0: something else was"""
        self._untold: set[int] = set()
        """thinking of this round that would touch that of an earlier one"""
        self._started: dict[str, Json] = {}
        self._deltas: list[StreamedEvent] = []
        self._last: list[bytes] = []

    def additions(self, event: StreamedEvent) -> Sequence[Addition]:
        """Return what the event adds to which block."""
        shape = event.event
        place = shape.get("index")
        if not isinstance(place, int):
            return ()
        match shape.get("type"):
            case "content_block_start":
                block = dict_at(shape, "content_block")
                if block.get("type") != "tool_use":
                    return (Addition(place, begins=True),)
                given = block.get("input")
                text = spelled(given).decode() if given else ""
                return (
                    Addition(
                        place,
                        begins=True,
                        id=text_raw(block, "id"),
                        name=text_raw(block, "name"),
                        text=text,
                    ),
                )
            case "content_block_delta":
                return (Addition(place, text=text_raw(dict_at(shape, "delta"), "partial_json")),)
            case "content_block_stop":
                return (Addition(place, ends=True),)
            case _:
                return ()

    def settles(self, event: StreamedEvent) -> bool:
        """Tell whether the blocks are over."""
        return text_raw(event.event, "type") in {"message_delta", "message_stop", "error"}

    def passes(self, event: StreamedEvent) -> bytes:
        """Take note of a start."""
        shape = event.event
        match shape.get("type"):
            case "message_start":
                self._started = dict_at(dict_at(shape, "message"), "usage")
            case "content_block_start":
                place = shape.get("index")
                self._tell(place if isinstance(place, int) else self._next, shape)
            case _:
                pass
        return event.piece

    def _tell(self, place: int, shape: dict[str, Json]) -> None:
        self._next = max(self._next, place + 1)
        thinks = is_thinking(text_raw(dict_at(shape, "content_block"), "type"))
        self._thought = self._round if thinks else 0

    def speaks(self, event: StreamedEvent, hidden: Collection[int]) -> bytes:
        """Return the event with its block's index among all that were told."""
        match event.event.get("type"):
            case "message_start":
                told = self.passes(event)
                return told if self._round == 1 else b""
            case "message_delta":
                self._deltas.append(event)
                return b""
            case "message_stop":
                self._last.append(event.piece)
                return b""
            case "content_block_start" | "content_block_delta" | "content_block_stop":
                return self._block(event, hidden)
            case _:
                return event.piece

    def _block(self, event: StreamedEvent, hidden: Collection[int]) -> bytes:
        shape = event.event
        place = shape.get("index")
        if not isinstance(place, int):
            return event.piece
        if shape.get("type") == "content_block_start" and place not in hidden:
            if 0 < self._thought < self._round and is_thinking(
                text_raw(dict_at(shape, "content_block"), "type")
            ):
                self._untold.add(place)
            else:
                self._places[place] = self._next
                self._tell(self._next, shape)
        if place in hidden or place in self._untold:
            return b""
        told = self._places.get(place, place)
        return event.piece if told == place else _renewed(event, index=told)

    def goes_on(self, whole: bytes) -> None:
        """Begin another round; its blocks come after those that were told."""
        del whole
        self._round += 1
        self._places, self._untold = {}, set()
        self._deltas, self._last = [], []

    def ends(self, rounds: Sequence[Round], stop: str) -> bytes:
        """Return the last ``message_delta``, with the usage of the last round in full, and ``message_stop``."""
        told = b"".join(event.piece for event in self._deltas[:-1])
        for event in self._deltas[-1:]:
            told += self._last_delta(event, stop, several=len(rounds) > 1)
        return told + b"".join(self._last)

    def _last_delta(self, event: StreamedEvent, stop: str, *, several: bool) -> bytes:
        changes: dict[str, Json] = {}
        if several:
            usage = {
                name: value for name, value in dict_at(event.event, "usage").items() if value is not None
            }
            counted = {name: self._started[name] for name in _COUNTED if name in self._started}
            changes["usage"] = {**dict_at(event.event, "usage"), **counted, **usage}
        if stop:
            changes["delta"] = {**dict_at(event.event, "delta"), "stop_reason": stop}
        return _renewed(event, **changes) if changes else event.piece

    def fails(self, kind: str, text: str) -> bytes:
        """Return an error as Anthropic sends it within a stream."""
        error: Json = {"type": kind, "message": text}
        return spelled_event(b"error", spelled({"type": "error", "error": error}))


def _renewed(event: StreamedEvent, **values: Json) -> bytes:
    return spelled_event(event.name, with_members(event.data, **values))
