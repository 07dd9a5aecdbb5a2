"""A streamed reply spelled as the whole that it would have been."""

from collections.abc import Iterable

import msgspec

from perdure.values.digest import Json
from perdure.wire.bodies.nouns import Api
from perdure.wire.reading import dict_at, dicts_at, text_raw
from perdure.wire.spelling import clean_text
from perdure.wire.streaming.shapes import (
    EMPTY,
    array_of,
    elements_of,
    is_object,
    member_of,
    members_of,
    object_of,
    parsed,
    spelled,
)
from perdure.wire.streaming.sse import read
from perdure.wire.streaming.wholes import ChatStream, MessageStream

_KIND_BYTES = 80
"""In which the type of an event stands, where it comes first: pieces of items need not be read."""

_ENDS = frozenset({"response.completed", "response.incomplete", "response.failed"})


def whole_reply(api: Api, pieces: Iterable[bytes]) -> bytes | None:
    """Return the reply whose events came in ``pieces``; None where its end did not."""
    datas = (read(piece).data for piece in pieces)
    match api:
        case "messages":
            return _message(datas)
        case "chat":
            return _completion(datas)
        case "responses":
            return _response(datas)


def _message(datas: Iterable[bytes]) -> bytes | None:
    stream = MessageStream()
    for data in datas:
        event = parsed(data)
        if event is not None:
            stream.take(event)
    whole = stream.whole()
    if whole is None:
        return None
    blocks = [_block(block) for block in dicts_at(whole, "content")]
    return object_of({**members_of(spelled(whole)), "content": msgspec.Raw(array_of(blocks))})


def _block(block: dict[str, Json]) -> bytes:
    """Return a block; the input of a call stays as it was streamed, unless that is no object."""
    given = block.get("input")
    if not isinstance(given, str):
        return spelled(block)
    text = clean_text(given).encode()
    return object_of({**members_of(spelled(block)), "input": msgspec.Raw(text if is_object(text) else EMPTY)})


def _completion(datas: Iterable[bytes]) -> bytes | None:
    stream = ChatStream()
    first: dict[str, Json] = {}
    for data in datas:
        event = parsed(data)
        if event is not None:
            first = first or event
            stream.take(event)
    whole = stream.whole()
    if whole is None:
        return None
    kept = {name: first[name] for name in ("created", "model", "system_fingerprint") if name in first}
    choices: list[Json] = [{"index": 0, **choice} for choice in dicts_at(whole, "choices")]
    return spelled({"id": "", "object": "chat.completion", **kept, **whole, "choices": choices})


def _response(datas: Iterable[bytes]) -> bytes | None:
    """Return the response that the stream ended with; some servers leave its output to the events before."""
    items: dict[int, bytes] = {}
    found: bytes | None = None
    for data in datas:
        event = parsed(data) or {} if b".delta" not in data[:_KIND_BYTES] else {}
        if event.get("type") == "response.output_item.done":
            place = event.get("output_index")
            items[place if isinstance(place, int) else len(items)] = member_of(data, "item")
        elif text_raw(event, "type") in _ENDS and dict_at(event, "response"):
            found = member_of(data, "response")
    if found is None:
        return None
    members = members_of(found)
    if elements_of(member_of(found, "output")):
        return found
    output = msgspec.Raw(array_of(items[place] for place in sorted(items)))
    return object_of({**members, "output": output})
