"""Items of a request, each read alone, at their places in the body; as far as an earlier request had them, from there.

Invariants:
- A trail holds for a body only where the body's bytes are the ones that it was made of: their digest says so.
- What is taken from a trail is what reading the body without it gives.
- Nothing in a trail is text.
"""

import hashlib
from typing import Final, NamedTuple

from perdure.wire.bodies.nouns import CallResult, Item, ItemRead, MadeCall, Span

NEW_ITEMS: Final = 6
"""At the end of a request that its trail leaves out: clients move their marks for the cache there."""

TRAILS_MAX: Final = 512
"""Arrays whose beginning is remembered: two for each open conversation."""

_TOLD_APART_BYTES: Final = 1024
_CLOSED: Final = b'}]"'
"""How a value ends that can't go on; a number can."""


class Lifted(NamedTuple):
    """Items with their places in the body, and each result with the call that it answers."""

    items: tuple[Item, ...] = ()
    parts: tuple[ItemRead, ...] = ()
    results: tuple[CallResult, ...] = ()
    calls: tuple[tuple[int, MadeCall], ...] = ()
    characters: int = 0
    made: tuple[tuple[str, MadeCall], ...] = ()
    """the newest call of each id"""
    times: tuple[tuple[str, int], ...] = ()
    """how often each id was given"""

    def with_more(self, spans: list[Span], parts: list[ItemRead]) -> "Lifted":
        """Return it with ``parts`` behind, which stand at ``spans``."""
        items: list[Item] = []
        results: list[CallResult] = []
        calls: list[tuple[int, MadeCall]] = []
        made, times, before = dict(self.made), dict(self.times), self.characters
        for place, (span, part) in enumerate(zip(spans, parts, strict=True), len(self.items)):
            items.append(Item(part.role, span, part.digest, part.characters, part.merged))
            for call in part.calls:
                times[call.call] = number = times.get(call.call, 0) + 1
                named = call if number == 1 else call._replace(call=f"{call.call}#{number}")
                made[call.call] = named
                calls.append((place, named))
            for result in part.results:
                answered = made.get(result.call)
                results.append(
                    result._replace(
                        call=answered.call if answered else result.call,
                        span=result.span.within(span.start),
                        before=before + result.before,
                        place=place,
                        made=answered,
                    )
                )
            before += part.characters
        return Lifted(
            (*self.items, *items),
            (*self.parts, *parts),
            (*self.results, *results),
            (*self.calls, *calls),
            before,
            tuple(made.items()),
            tuple(times.items()),
        )


class Beginning(NamedTuple):
    """What the beginning of an array was read as."""

    size: int
    """of the beginning, up to the end of an element"""
    digest: bytes
    start: int
    """where the array stands in the body"""
    before: int
    """characters in front of it"""
    lifted: Lifted


class Walk:
    """One array on its way through the trails that earlier ones left."""

    def __init__(
        self, trails: dict[bytes, Beginning], kind: str, raw: bytes, start: int, before: int
    ) -> None:
        """Find how much of ``raw``, which stands at ``start`` behind ``before`` characters, is known."""
        self._trails: dict[bytes, Beginning] = trails
        self._raw: bytes = raw
        self._start: int = start
        self._before: int = before
        self._key: bytes = hashlib.sha256(kind.encode() + raw[:_TOLD_APART_BYTES]).digest()
        self._hashed = hashlib.sha256()
        self.known: Lifted = Lifted(characters=before)
        self.size: int = 0
        """bytes of the array that ``known`` is made of"""
        trail = trails.get(self._key)
        if trail is not None and (trail.start, trail.before) == (start, before) and trail.size < len(raw):
            self._hashed.update(memoryview(raw)[: trail.size])
            if self._hashed.digest() == trail.digest:
                self.known, self.size = trail.lifted, trail.size
            else:
                self._hashed = hashlib.sha256()

    def lifted(self, places: list[Span], parts: list[ItemRead]) -> Lifted:
        """Return all of it, of which ``parts`` at ``places`` in the array were not known; leave a trail."""
        spans = [place.within(self._start) for place in places]
        count = max(len(parts) - NEW_ITEMS, 0)
        known = self.known
        if count and self._raw[places[count - 1].end - 1] in _CLOSED:
            known = known.with_more(spans[:count], parts[:count])
            self._leave(known, places[count - 1].end)
        else:
            count = 0
        return known.with_more(spans[count:], parts[count:])

    def _leave(self, known: Lifted, size: int) -> None:
        self._hashed.update(memoryview(self._raw)[self.size : size])
        self._trails.pop(self._key, None)
        if len(self._trails) >= TRAILS_MAX:
            del self._trails[next(iter(self._trails))]
        self._trails[self._key] = Beginning(size, self._hashed.digest(), self._start, self._before, known)
