"""Replies in which the model was answered behind the client's back, made whole again.

The client has such a reply as one message, ``merged``. Whenever it sends that again, what was really said goes to the
provider in its place: ``split``, the messages or items with every call and its answer; and ``joined``, the answers to
hidden calls that stand beside the client's own, join the client's results.

Invariants:
- A merged reply goes on either split and joined, or as the client has it, which is valid too; never half.
- Where a mark of the cache stood on the merged reply, it stands on the last block of what takes its place.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from perdure.values.digest import name_of
from perdure.wire.bodies.changing import put_first
from perdure.wire.bodies.digests import held_digest, merged_digest
from perdure.wire.bodies.marks import mark_in, marked
from perdure.wire.bodies.nouns import Item, Span
from perdure.wire.bodies.request import RequestBody
from perdure.wire.bodies.spans import decoded, elements, members
from perdure.wire.bodies.splicing import Edit
from perdure.wire.reading import text_raw

_spelled = msgspec.json.Encoder().encode

_RUN_MAX: Final = 64
"""Items of one reply, as Responses has them; in longer stretches only the whole is looked for."""


class MergedReply(NamedTuple):
    """Items that may be one reply: those at the places from ``first`` on, without the one at ``end``."""

    first: int
    end: int
    digest: str


def kept_under(request: RequestBody, merged: str, split: bytes) -> str:
    """Return the name under which a hidden exchange is recorded, that happened in the reply to ``request``.

    The same few words are said more than once, so a reply is known by what it answers too. A response that the
    provider keeps has a name of its own: there ``split`` holds no items, only the id of its last part.
    """
    return merged if split[1:2] == b'"' else _answering(request.items, len(request.items), merged)


def unmerged(request: RequestBody, split: Mapping[str, bytes], joined: Mapping[str, bytes]) -> list[Edit]:
    """Return the edits that split each merged reply of the request again.

    ``split`` and ``joined`` hold JSON arrays by the names under which they were recorded. Each is used once at most,
    since it holds calls, and no two calls have the same id.
    """
    edits: list[Edit] = []
    if not split:
        return edits
    if request.previous:
        edits += _gone_on(request, split, joined)
    done, used = 0, set[str]()
    for stretch in _stretches(request):
        names = (_answering(request.items, stretch.first, stretch.digest), stretch.digest)
        name = next((name for name in names if name in split and name not in used), "")
        if name and stretch.first >= done:
            made = _made_whole(request, stretch, split[name], joined.get(name))
            if made:
                edits += made
                used.add(name)
                done = stretch.end
    return edits


def _answering(items: tuple[Item, ...], place: int, merged: str) -> str:
    """Return the name of a reply that stands, or will stand, at ``place``."""
    return name_of("reply", items[place - 1].digest if place else "", merged)


def _gone_on(request: RequestBody, split: Mapping[str, bytes], joined: Mapping[str, bytes]) -> list[Edit]:
    """Return the edits where the provider keeps the replies: the client goes on from the last part that there was."""
    name = held_digest(request.previous)
    ids = decoded(split[name]) if name in split else None
    if not isinstance(ids, list) or not ids:
        return []
    previous = members(request.body)["previous_response_id"]
    edits = [Edit(*previous, _spelled(ids[-1]))]
    answers, items = _within(joined[name]) if name in joined else b"", request.items_span
    if answers and items is not None:
        edits += put_first(request.body, items, answers)
    return edits


def _stretches(request: RequestBody) -> Iterator[MergedReply]:
    """Yield what may be one reply, in order; for Responses the longer before the shorter.

    There a reply is a run of items, and two replies may touch. A reply ends with something that names it, and what
    stands in front of that, such as reasoning, belongs to it.
    """
    if request.api != "responses":
        for place, item in enumerate(request.items):
            if item.role == "assistant" and item.merged:
                yield MergedReply(place, place + 1, merged_digest(item.merged))
        return
    for first, end in _runs(request.items):
        yield MergedReply(first, end, _named(request.items[first:end]))
        for start in range(first, end) if end - first <= _RUN_MAX else ():
            for stop in range(end, start, -1):
                if request.items[stop - 1].merged and (start, stop) != (first, end):
                    yield MergedReply(start, stop, _named(request.items[start:stop]))


def _runs(items: tuple[Item, ...]) -> Iterator[tuple[int, int]]:
    first = -1
    for place, item in enumerate(items):
        if item.role == "assistant":
            first = place if first < 0 else first
        elif first >= 0:
            yield first, place
            first = -1
    if first >= 0:
        yield first, len(items)


def _named(items: tuple[Item, ...]) -> str:
    return merged_digest([part for item in items for part in item.merged])


def _made_whole(request: RequestBody, stretch: MergedReply, split: bytes, joined: bytes | None) -> list[Edit]:
    """Return the edits for one reply; none where its answers have nowhere to go."""
    body = request.body
    whole = Span(request.items[stretch.first].span.start, request.items[stretch.end - 1].span.end)
    put = _within(split)
    if put and request.api != "responses" and b"cache_control" in body[whole.start : whole.end]:
        put = _marked(put, body[whole.start : whole.end])
    answers = _within(joined) if joined else b""
    if not put:
        return []
    if not answers:
        return [Edit(*whole, put)]
    if request.api != "messages":
        return [Edit(*whole, b"%b,%b" % (put, answers))]
    if stretch.end >= len(request.items):
        return []
    span = request.items[stretch.end].span
    message = body[span.start : span.end]
    content = _content(message)
    if text_raw(decoded(message), "role") != "user" or content is None:
        return []
    return [Edit(*whole, put), *put_first(body, content.within(span.start), answers)]


def _within(array: bytes) -> bytes:
    """Return the elements of an array, as they stand between its brackets."""
    places = elements(array)
    return array[places[0].start : places[-1].end] if places else b""


def _marked(put: bytes, merged: bytes) -> bytes:
    """Return ``put`` with the mark of the cache that stands on ``merged``, if one does, on its last block."""
    content = _content(merged)
    mark = mark_in(merged[content.start : content.end]) if content is not None else b""
    if not mark:
        return put
    array = b"[%b]" % put
    last = elements(array)[-1]
    message = array[last.start : last.end]
    inner = _content(message)
    places = elements(message[inner.start : inner.end]) if inner is not None else []
    if inner is None or not places:
        return put
    place = places[-1].within(last.start + inner.start)
    block = array[place.start : place.end]
    if "cache_control" in members(block) or text_raw(decoded(block), "type").endswith("thinking"):
        return put
    return (array[: place.start] + marked(block, mark) + array[place.end :])[1:-1]


def _content(message: bytes) -> Span | None:
    """Return where the blocks of a message stand in it; None where its content is no list."""
    content = members(message).get("content")
    return None if content is None or message[content.start] != ord("[") else content
