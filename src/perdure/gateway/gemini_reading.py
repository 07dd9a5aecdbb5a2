"""Requests and replies of Gemini's generateContent, as far as a main loop has to know them: nothing of them is ever changed.

A request is read into the same words as those of the other APIs, so that whose it is, whether its client went back, and
what its model was shown are decided alike. Where its parts stand in the body isn't told: no page of it moves.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, cast

import msgspec

from perdure.assembly.foreign.replies import SpelledCall
from perdure.log.events import Usage
from perdure.values.digest import Json, canonical, digest
from perdure.wire.bodies.digests import cache_digest
from perdure.wire.bodies.nouns import CallResult, Item, MadeCall, OfferedTool, Span
from perdure.wire.bodies.parts import call_of
from perdure.wire.bodies.purpose import compacts
from perdure.wire.bodies.request import RequestBody
from perdure.wire.reading import dict_at, dict_first, dicts_at, dicts_in, text_raw
from perdure.wire.streaming.sse import read
from perdure.wire.usage import count

GEMINI: Final = "gemini"

_PATH: Final = re.compile(r"/models/([^/:?]+):(?:generateContent|streamGenerateContent)(?:$|\?)")
_NOWHERE: Final = Span(0, 0)


class GeminiRequest(RequestBody, frozen=True):
    """A request of that API."""

    texts: tuple[str, ...] = ()
    """what its results say, in their order"""

    def text(self, result: CallResult) -> str:
        """Return what ``result`` says."""
        return self.texts[result.span.start]


def model_in(path: str) -> str:
    """Return the model that a request to ``path`` asks; empty where it asks none."""
    found = _PATH.search(path)
    return found[1] if found is not None else ""


def read_gemini(body: bytes, model: str) -> GeminiRequest | None:
    """Return the reading of ``body``; None where it can't be read."""
    try:
        shape = cast("Json", msgspec.json.decode(body))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    contents = dicts_at(shape, "contents")
    if not isinstance(shape, dict) or not contents:
        return None
    history = _History()
    for place, content in enumerate(contents):
        history.take(place, content)
    system = dict_at(shape, "systemInstruction") or dict_at(shape, "system_instruction")
    tools = tuple(
        OfferedTool(text_raw(tool, "name"), _NOWHERE, None, None, cache_digest(tool))
        for each in dicts_at(shape, "tools")
        for tool in dicts_at(each, "functionDeclarations") or dicts_at(each, "function_declarations")
    )
    asks = any(compacts(text) for part in (system, contents[-1]) for text in _texts(part))
    return GeminiRequest(
        endpoint="responses",
        body=body,
        model=model,
        stream=False,
        purpose="compaction" if asks else "main" if tools else "side",
        session="",
        previous="",
        tools=tools,
        tools_digest=cache_digest([tool.digest for tool in tools]),
        tools_span=None,
        searched=False,
        forced=False,
        system=cache_digest(system) if system else "",
        items=tuple(history.items),
        items_span=None,
        results=tuple(history.results),
        calls=tuple(history.calls),
        characters=len(body.decode(errors="replace")),
        texts=tuple(history.texts),
    )


class _History:
    """The contents of a request. A call without an id is known by its name, and by how many of that name came before."""

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.calls: list[tuple[int, MadeCall]] = []
        self.results: list[CallResult] = []
        self.texts: list[str] = []
        self._made: defaultdict[str, int] = defaultdict(int)
        self._answered: defaultdict[str, int] = defaultdict(int)

    def take(self, place: int, content: dict[str, Json]) -> None:
        parts = dicts_at(content, "parts")
        said = [f"t{text}" for text in _texts(content) if text.strip()]
        answers = [part for part in parts if "functionResponse" in part]
        for part in parts:
            call = dict_at(part, "functionCall")
            if call:
                name = text_raw(call, "name")
                use = text_raw(call, "id") or _counted(self._made, name)
                made = call_of(use, name, dict_at(call, "args"))
                self.calls.append((place, made))
                said.append(f"c{use}{made.digest}")
        for part in answers:
            self._answer(place, dict_at(part, "functionResponse"))
        role = "assistant" if text_raw(content, "role") == "model" else "tool" if answers else "user"
        merged = tuple(said) if role == "assistant" else ()
        self.items.append(Item(role, _NOWHERE, cache_digest(content), 0, merged))

    def _answer(self, place: int, answer: dict[str, Json]) -> None:
        name = text_raw(answer, "name")
        use = text_raw(answer, "id") or _counted(self._answered, name)
        text = canonical(answer.get("response")).decode()
        size, name = len(text), digest(text.encode())
        self.results.append(CallResult(use, Span(len(self.texts), 0), "text", name, size, size, 0, place))
        self.texts.append(text)


class GeminiListener:
    """Hears what a reply calls, what it took, and how it ended."""

    def __init__(self, *, streamed: bool) -> None:
        """Begin."""
        self._streamed: bool = streamed
        self._calls: list[SpelledCall] = []
        self._usage: dict[str, Json] = {}
        self.stop: str = ""
        """why it ended: 'function_call' where the client has something to do, else in the provider's words"""

    @property
    def usage(self) -> Usage:
        """The tokens that it took."""
        return Usage(
            input_tokens=count(self._usage, "promptTokenCount"),
            output_tokens=count(self._usage, "candidatesTokenCount")
            + count(self._usage, "thoughtsTokenCount"),
            cache_read_tokens=count(self._usage, "cachedContentTokenCount"),
        )

    def event(self, piece: bytes) -> Iterable[SpelledCall]:
        """Return the calls in an event of a stream: they come whole."""
        return self._heard(read(piece).data)

    def end(self, body: bytes) -> Iterable[SpelledCall]:
        """Return all calls."""
        if not self._streamed:
            self._heard(body)
        return tuple(self._calls)

    def _heard(self, spelled: bytes) -> list[SpelledCall]:
        try:
            shape = cast("Json", msgspec.json.decode(spelled)) if spelled else None
        except (msgspec.DecodeError, ValueError, RecursionError):
            return []
        before = len(self._calls)
        for each in dicts_in(shape) if isinstance(shape, list) else [shape]:
            self._usage = dict_at(each, "usageMetadata") or self._usage
            candidate = dict_first(each, "candidates")
            for part in dicts_at(dict_at(candidate, "content"), "parts"):
                call = dict_at(part, "functionCall")
                if call:
                    self._take(call)
            self.stop = text_raw(candidate, "finishReason") or self.stop
        if self._calls:
            self.stop = "function_call"
        return self._calls[before:]

    def _take(self, call: dict[str, Json]) -> None:
        name = text_raw(call, "name")
        use = text_raw(call, "id") or f"{name}#{len(self._calls)}"
        self._calls.append(SpelledCall(use, name, canonical(dict_at(call, "args")).decode()))


def _counted(known: defaultdict[str, int], name: str) -> str:
    known[name] += 1
    return f"{name}#{known[name]}"


def _texts(content: dict[str, Json]) -> list[str]:
    return [text_raw(part, "text") for part in dicts_at(content, "parts") if "thought" not in part]
