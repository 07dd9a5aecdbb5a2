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

from perdure.wire.bodies.digests import merged_digest
from perdure.wire.bodies.marks import mark_in, marked
from perdure.wire.bodies.nouns import Item, Span
from perdure.wire.bodies.request import RequestBody
from perdure.wire.bodies.spans import decoded, elements, members
from perdure.wire.bodies.splicing import Edit
from perdure.wire.reading import text_raw

_RUN_MAX: Final = 64
"""Items of one reply, as Responses has them; in longer stretches only the whole is looked for."""


class Stretch(NamedTuple):
    """Items that may be one reply: those at the places from ``first`` on, without the one at ``end``."""

    first: int
    end: int
    digest: str


def unmerged(request: RequestBody, split: Mapping[str, bytes], joined: Mapping[str, bytes]) -> list[Edit]:
    """Return the edits that split each merged reply of the request again.

    ``split`` and ``joined`` hold JSON arrays by ``message_digest``, as they were recorded.
    """
    edits: list[Edit] = []
    if not split:
        return edits
    done = 0
    for stretch in _stretches(request):
        if stretch.first >= done and stretch.digest in split:
            made = _made_whole(request, stretch, split[stretch.digest], joined.get(stretch.digest))
            if made:
                edits += made
                done = stretch.end
    return edits


def _stretches(request: RequestBody) -> Iterator[Stretch]:
    """Yield what may be one reply, in order; for Responses the longer before the shorter.

    There a reply is a run of items, and two replies may touch. A reply ends with something that names it, and what
    stands in front of that, such as reasoning, belongs to it.
    """
    if request.api != "responses":
        for place, item in enumerate(request.items):
            if item.role == "assistant" and item.merged:
                yield Stretch(place, place + 1, merged_digest(item.merged))
        return
    for first, end in _runs(request.items):
        yield Stretch(first, end, _named(request.items[first:end]))
        for start in range(first, end) if end - first <= _RUN_MAX else ():
            for stop in range(end, start, -1):
                if request.items[stop - 1].merged and (start, stop) != (first, end):
                    yield Stretch(start, stop, _named(request.items[start:stop]))


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


def _made_whole(request: RequestBody, stretch: Stretch, split: bytes, joined: bytes | None) -> list[Edit]:
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
    at = span.start + content.start + 1
    rest = message[content.start + 1 : content.end - 1].strip()
    return [Edit(*whole, put), Edit(at, at, answers + b"," if rest else answers)]


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
