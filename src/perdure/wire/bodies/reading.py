"""A request's body, read: most of it was read with the request before, and is known by the digest of its bytes."""

import hashlib
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from perdure.values.digest import Json
from perdure.values.limits import WIRE_BODY_BYTES_MAX, WIRE_PARTS_MAX
from perdure.wire.bodies.chat import read_chat_message
from perdure.wire.bodies.digests import cache_digest, system_digest
from perdure.wire.bodies.lifting import Beginning, Lifted, Walk
from perdure.wire.bodies.messages import read_message
from perdure.wire.bodies.nouns import (
    APIS,
    Api,
    Endpoint,
    ItemRead,
    OfferedTool,
    Span,
)
from perdure.wire.bodies.purpose import compacts, is_forced, purpose_of, session_of
from perdure.wire.bodies.request import RequestBody
from perdure.wire.bodies.responses import read_item
from perdure.wire.bodies.spans import FAULTS, decoded, elements, members
from perdure.wire.bodies.texts import block_texts, characters_in
from perdure.wire.bodies.tools import NO_TOOLS, ToolsRead, read_tools

_ITEMS: Final[dict[Api, str]] = {"messages": "messages", "chat": "messages", "responses": "input"}
_SYSTEM: Final[dict[Api, str]] = {"messages": "system", "chat": "", "responses": "instructions"}
_READERS: Final[dict[Api, Callable[[bytes, Json], ItemRead]]] = {
    "messages": read_message,
    "chat": read_chat_message,
    "responses": read_item,
}

_ENDPOINTS: Final[tuple[tuple[str, Endpoint], ...]] = (
    ("/messages/count_tokens", "count_tokens"),
    ("/messages", "messages"),
    ("/chat/completions", "chat"),
    ("/responses/compact", "compact"),
    ("/responses", "responses"),
)

_Read = TypeVar("_Read")


class Instructions(NamedTuple):
    """What a request says outside of its messages."""

    digest: str
    characters: int
    compacts: bool


class Memo:
    """What was read before, by the digest of its bytes; the least recently used is forgotten.

    It belongs to one thread. Nothing in it is text, so conversations can share one.
    """

    def __init__(self, parts_max: int = WIRE_PARTS_MAX) -> None:
        """Remember nothing yet, and never more than ``parts_max`` of each kind."""
        self._max: int = parts_max
        self.parts: dict[bytes, ItemRead] = {}
        self.offers: dict[bytes, ToolsRead] = {}
        self.instructions: dict[bytes, Instructions] = {}
        self.trails: dict[bytes, Beginning] = {}

    def recall(self, known: dict[bytes, _Read], kind: str, raw: bytes, read: Callable[[], _Read]) -> _Read:
        """Return what ``raw`` was read as, or ``read`` it now."""
        key = hashlib.sha256(raw).digest() + kind.encode()
        found = known.pop(key, None)
        if found is None:
            found = read()
            if len(known) >= self._max:
                del known[next(iter(known))]
        known[key] = found
        return found


def endpoint_of(path: str) -> Endpoint | None:
    """Return what is asked at ``path``, whatever a host puts in front of it; None: it isn't ours to read."""
    bare = path.partition("?")[0].rstrip("/")
    return next((endpoint for end, endpoint in _ENDPOINTS if bare.endswith(end)), None)


def read_request(endpoint: Endpoint, body: bytes, memo: Memo) -> RequestBody | None:
    """Return the reading of ``body``; None: it can't be understood, and goes on untouched."""
    if len(body) > WIRE_BODY_BYTES_MAX:
        return None
    try:
        if not body.isascii():
            body.decode()
        return _read(endpoint, body, members(body), memo)
    except FAULTS:
        return None


def _read(endpoint: Endpoint, body: bytes, fields: dict[str, Span], memo: Memo) -> RequestBody:
    api = APIS[endpoint]

    def value(name: str) -> Json:
        span = fields.get(name)
        return None if span is None else decoded(body[span.start : span.end])

    offer, offered = _offer(body, fields.get("tools"), memo)
    said = _instructions(body, fields.get(_SYSTEM[api]), memo)
    inside = fields.get(_ITEMS[api])
    if inside is not None and body[inside.start] not in (b'["' if api == "responses" else b"["):
        inside = None
    read = _lifted(api, body, inside, memo, offer.characters + said.characters)
    model, choice = value("model"), value("tool_choice")
    previous = value("previous_response_id")
    return RequestBody(
        endpoint=endpoint,
        body=body,
        model=model if isinstance(model, str) else "",
        stream=value("stream") is True,
        purpose=purpose_of(
            endpoint,
            read.items,
            asked=said.compacts or _asks_to_compact(read.parts),
            offers=bool(offer.tools),
        ),
        session=session_of(api, value("metadata"), value("prompt_cache_key"), value("conversation")),
        previous=previous if isinstance(previous, str) else "",
        tools=offered,
        tools_digest=offer.digest,
        tools_span=fields["tools"] if offer.tools else None,
        searched=offer.searched,
        forced=is_forced(choice) or value("background") is True or value("n") not in (None, 1),
        system=said.digest,
        items=read.items,
        items_span=inside,
        results=read.results,
        calls=read.calls,
        characters=read.characters,
    )


def _offer(body: bytes, span: Span | None, memo: Memo) -> tuple[ToolsRead, tuple[OfferedTool, ...]]:
    """Return the reading of ``tools``, and its tools with their places in the body."""
    if span is None:
        return NO_TOOLS, ()
    raw = body[span.start : span.end]
    offer = memo.recall(memo.offers, "tools", raw, lambda: read_tools(raw))
    at = span.start
    return offer, tuple(
        tool._replace(
            span=tool.span.within(at),
            schema=tool.schema and tool.schema.within(at),
            description=tool.description and tool.description.within(at),
        )
        for tool in offer.tools
    )


def _instructions(body: bytes, span: Span | None, memo: Memo) -> Instructions:
    if span is None:
        return Instructions("", 0, compacts=False)
    raw = body[span.start : span.end]

    def read() -> Instructions:
        value = decoded(raw)
        asks = any(compacts(text) for text in block_texts(value))
        return Instructions(system_digest(value), characters_in(value), asks)

    return memo.recall(memo.instructions, "system", raw, read)


def _lifted(api: Api, body: bytes, span: Span | None, memo: Memo, before: int) -> Lifted:
    """Return the items of the array at ``span``, behind ``before`` characters. Responses takes one text for them all."""
    if span is None:
        return Lifted(characters=before)
    raw = body[span.start : span.end]
    if raw[:1] == b'"':
        text = decoded(raw)
        item: Json = {"role": "user", "content": text}
        asks = isinstance(text, str) and compacts(text)
        read = ItemRead("user", cache_digest(item), characters_in(text), compacts=asks)
        return Lifted(characters=before).with_more([span], [read])
    walk = Walk(memo.trails, api, raw, span.start, before)
    places = elements(raw, walk.size)
    parts: list[ItemRead] = []
    reader, known, recall = _READERS[api], memo.parts, memo.recall
    for start, end in places:
        piece = raw[start:end]
        parts.append(recall(known, api, piece, lambda piece=piece: reader(piece, decoded(piece))))
    return walk.lifted(places, parts)


def _asks_to_compact(parts: tuple[ItemRead, ...]) -> bool:
    """Tell whether what was said since the model last spoke asks for a compaction."""
    for part in reversed(parts):
        if part.role == "assistant":
            return False
        if part.compacts:
            return True
    return False
