"""Streams put together: from the events of a stream to the whole that it would have been.

Invariants:
- Arguments of calls stay the text that was streamed: whether it can be read is judged once, whole.
- A stream that didn't reach its end gives nothing: ``whole`` is None.
"""

from typing import Final

from perdure.values.digest import Json
from perdure.wire.reading import dict_at, dict_first, dicts_at, text_at, text_raw

_APPENDED: Final = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("signature", "signature"),
    "input_json_delta": ("partial_json", "input"),
}
"""Which field of a delta is appended to which field of its block."""


class MessageStream:
    """The events of an Anthropic message."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._message: dict[str, Json] = {}
        self._blocks: dict[int, dict[str, Json]] = {}
        self._grown: dict[int, dict[str, list[str]]] = {}
        self._usage: dict[str, Json] = {}
        self._ended: bool = False

    def take(self, event: dict[str, Json]) -> str:
        """Add one event and return the piece of text that it brought."""
        match event.get("type"):
            case "message_start":
                self._message = {**dict_at(event, "message")}
                self._usage = {**dict_at(self._message, "usage")}
            case "content_block_start":
                self._blocks[_index(event)] = _begun(dict_at(event, "content_block"))
            case "content_block_delta":
                return self._grow(_index(event), dict_at(event, "delta"))
            case "message_delta":
                self._message |= dict_at(event, "delta")
                self._usage |= {
                    name: value for name, value in dict_at(event, "usage").items() if value is not None
                }
            case "message_stop":
                self._ended = True
            case _:
                pass
        return ""

    def whole(self) -> dict[str, Json] | None:
        """Return the message; the inputs of its calls are the texts that were streamed."""
        if not self._ended:
            return None
        return {**self._message, "content": self.blocks(), "usage": self._usage}

    def blocks(self) -> list[Json]:
        """Return the blocks as far as they have come."""
        return [
            {**block, **{name: text_raw(block, name) + "".join(pieces) for name, pieces in grown.items()}}
            for index, block in sorted(self._blocks.items())
            for grown in (self._grown.get(index, {}),)
        ]

    def _grow(self, index: int, delta: dict[str, Json]) -> str:
        block = self._blocks.setdefault(index, {})
        kind = text_at(delta, "type")
        if kind == "citations_delta":
            cited = block.get("citations")
            block["citations"] = [*(cited if isinstance(cited, list) else []), delta.get("citation")]
            return ""
        source, target = _APPENDED.get(kind, ("", ""))
        piece = text_raw(delta, source)
        if piece:
            self._grown.setdefault(index, {}).setdefault(target, []).append(piece)
        return piece if kind == "text_delta" else ""


def _begun(block: dict[str, Json]) -> dict[str, Json]:
    """Return the block as it grows from: its input comes as text, unless it came whole."""
    given = block.get("input")
    return {**block, "input": ""} if given in ({}, None) and "input" in block else {**block}


def _index(event: dict[str, Json]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0


class ChatStream:
    """The chunks of a chat completion."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._texts: dict[str, list[str]] = {}
        self._lists: dict[str, list[Json]] = {}
        self._calls: dict[int, dict[str, Json]] = {}
        self._names: dict[int, str] = {}
        self._arguments: dict[int, list[str]] = {}
        self._finish: str = ""
        self._usage: Json = None
        self._id: str = ""

    def take(self, chunk: dict[str, Json]) -> str:
        """Add one chunk and return the piece of text that it brought."""
        self._usage = chunk.get("usage") or self._usage
        self._id = self._id or text_at(chunk, "id")
        choice = dict_first(chunk, "choices")
        self._finish = text_at(choice, "finish_reason") or self._finish
        delta = dict_at(choice, "delta")
        for name, value in delta.items():
            if isinstance(value, str) and name != "role":
                self._texts.setdefault(name, []).append(value)
            elif isinstance(value, list) and name != "tool_calls":
                self._lists.setdefault(name, []).extend(value)
        for position, call in enumerate(dicts_at(delta, "tool_calls")):
            self._grow(call, position)
        piece = delta.get("content")
        return piece if isinstance(piece, str) else ""

    def whole(self) -> dict[str, Json] | None:
        """Return the completion."""
        if not self._finish:
            return None
        texts = {name: "".join(pieces) for name, pieces in self._texts.items()}
        message: dict[str, Json] = {"role": "assistant", **texts, **self._lists}
        if self._calls:
            message["tool_calls"] = [self._call(index) for index in sorted(self._calls)]
        choice: Json = {"message": message, "finish_reason": self._finish}
        return {"id": self._id, "choices": [choice], "usage": self._usage}

    def _grow(self, piece: dict[str, Json], position: int) -> None:
        """Add a piece of a call: its name comes once, its arguments in pieces."""
        index = piece.get("index")
        place = index if isinstance(index, int) else position
        call = self._calls.setdefault(place, {"type": "function"})
        call |= {name: value for name, value in piece.items() if name not in {"index", "function"} and value}
        given = dict_at(piece, "function")
        self._names[place] = text_at(given, "name") or self._names.get(place, "")
        self._arguments.setdefault(place, []).append(text_raw(given, "arguments"))

    def _call(self, place: int) -> dict[str, Json]:
        function: Json = {"name": self._names[place], "arguments": "".join(self._arguments[place])}
        return {**self._calls[place], "function": function}


class ResponseStream:
    """The events of an OpenAI response, which ends with the response itself."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._items: list[Json] = []
        self._response: dict[str, Json] | None = None

    def take(self, event: dict[str, Json]) -> str:
        """Add one event and return the piece of text that it brought."""
        match event.get("type"):
            case "response.output_text.delta":
                return text_raw(event, "delta")
            case "response.output_item.done":
                self._items.append(event.get("item"))
            case "response.completed" | "response.incomplete" | "response.failed":
                self._response = dict_at(event, "response")
            case "error":
                self._response = {"status": "failed", "error": event}
            case _:
                pass
        return ""

    def whole(self) -> dict[str, Json] | None:
        """Return the response; some servers leave its output to the items before."""
        response = self._response
        if response is None or dicts_at(response, "output"):
            return response
        return {**response, "output": self._items}
