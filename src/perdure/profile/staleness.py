"""What was sent for nothing: stale by three definitions, duplicates, files read again.

Invariants:
- A result is known by its call and content; in a stretch that the client rewrote, it is the same result.
- It is stale from a request on, and then in every later request of the stretch that holds it.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final

from perdure.profile.figures import STALE, Rereads, Share
from perdure.profile.sameness import Name, names_in
from perdure.profile.trace import Segment, Trace

OLD_TURNS: Final = 4
_CHANGES: Final = re.compile(r"edit|write|patch|create|replace|delete", re.IGNORECASE)
"""In the names of tools that change a file, whose results say that they did."""

OLD_CHARACTERS: Final = 500
"""As the paper has it that pages results out by age: older than four turns of the user, 500 bytes and more."""


class _Stretches:
    """Requests by stretch, and what a token costs in them from one to the last."""

    def __init__(self, trace: Trace, prices: Sequence[float]) -> None:
        self.trace: Trace = trace
        self._sums: list[float] = [0.0, *accumulate(prices)]
        begins = [number for number in range(len(trace.requests)) if self._begins(number)]
        self.ranges: list[range] = [range(a, b) for a, b in pairwise([*begins, len(trace.requests)])]

    def _begins(self, number: int) -> bool:
        requests = self.trace.requests
        return number == 0 or requests[number].first != requests[number - 1].first

    def share(self, segment: Segment, begin: int, end: int) -> Share:
        """Return what the segment took in the requests from ``begin`` to before ``end``."""
        if begin >= end:
            return Share()
        money = segment.tokens * (self._sums[end] - self._sums[begin])
        return Share(segment.tokens * (end - begin), round(money), segment.tokens, 1)

    def first_held(self, stretch: range) -> list[tuple[int, int]]:
        """Return the results of a stretch with the first request that held each."""
        found: list[tuple[int, int]] = []
        end = self.trace.requests[stretch.start].first
        for number in stretch:
            last = self.trace.requests[number].last
            found += [(at, number) for at in range(end, last) if self.trace.segments[at].kind == "result"]
            end = last
        return found


def stale(trace: Trace, prices: Sequence[float]) -> dict[str, Share]:
    """Return what was stale by each definition; ``prices`` are of one token read in each request."""
    stretches = _Stretches(trace, prices)
    found = dict.fromkeys(STALE, Share())
    last: dict[int, int] = {}
    for need in trace.needs:
        last[need.segment] = max(last.get(need.segment, 0), need.request)
    for stretch in stretches.ranges:
        held = stretches.first_held(stretch)
        newer = _newer(trace, held)
        aged = _aged(trace, stretch)
        for place, number in held:
            segment = trace.segments[place]
            since = {
                "unneeded": max(last.get(place, number), number) + 1,
                "superseded": newer.get(place, stretch.stop),
                "old": aged[number] if segment.size >= OLD_CHARACTERS else stretch.stop,
            }
            for name, begin in since.items():
                found[name] += stretches.share(segment, begin, stretch.stop)
    return found


def _newer(trace: Trace, held: Sequence[tuple[int, int]]) -> dict[int, int]:
    """Return from which request on a result of a stretch had a newer one beside it."""
    found: dict[int, int] = {}
    latest: dict[tuple[str, str], int] = {}
    for place, number in held:
        segment = trace.segments[place]
        for key in {("call", segment.call), (segment.tool, segment.path)}:
            if key[1]:
                before = latest.get(key)
                if before is not None:
                    found.setdefault(before, number)
                latest[key] = place
    return found


def _aged(trace: Trace, stretch: range) -> dict[int, int]:
    """Return for each request of a stretch the one in which what came with it is old."""
    turns: list[int] = []
    end = trace.requests[stretch.start].first
    for number in stretch:
        last = trace.requests[number].last
        if any(segment.kind == "user" for segment in trace.segments[end:last]):
            turns.append(number)
        end = last
    found: dict[int, int] = {}
    for number in stretch:
        later = bisect_right(turns, number) + OLD_TURNS
        found[number] = turns[later] if later < len(turns) else stretch.stop
    return found


def duplicates(trace: Trace, prices: Sequence[float]) -> Share:
    """Return what results took that stood in the window already, word for word."""
    stretches, found = _Stretches(trace, prices), Share()
    for stretch in stretches.ranges:
        seen: set[str] = set()
        for place, number in stretches.first_held(stretch):
            segment = trace.segments[place]
            if segment.digest in seen and segment.size:
                found += stretches.share(segment, number, stretch.stop)
            seen.add(segment.digest)
    return found


def rereads(trace: Trace) -> Rereads:
    """Return how often a tool gave a result about a file of which it had given one before."""
    contents: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    known: set[Name] = set()
    reads = again = same = tokens = 0
    for segment, name in zip(trace.segments, names_in(trace), strict=True):
        read = segment.kind == "result" and segment.path and not _CHANGES.search(segment.tool)
        if not read or name in known:
            continue
        reads += 1
        before = contents[segment.tool, segment.path]
        if before:
            again, tokens = again + 1, tokens + segment.tokens
            same += segment.digest in before
        before.add(segment.digest)
        known.add(name)
    return Rereads(reads, again, same, tokens)


def needed(trace: Trace) -> dict[str, int]:
    """Return how many distinct results were needed after the reply that had asked for them was answered."""
    results: defaultdict[str, set[Name]] = defaultdict(set)
    names = names_in(trace)
    first: dict[int, int] = {}
    end = 0
    for number, request in enumerate(trace.requests):
        for place in range(max(end, request.first), request.last):
            first[place] = number
        end = request.last
    for need in trace.needs:
        if need.request > first.get(need.segment, need.request):
            results[need.why].add(names[need.segment])
            results["any"].add(names[need.segment])
    return {why: len(found) for why, found in results.items()}
