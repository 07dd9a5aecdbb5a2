"""What a client quietly took out of its prompts, found by what the provider counted.

Clients drop the thoughts of an earlier turn, reminders and notices without a word in their transcript: the next
request is counted with fewer tokens than its blocks take together. Left alone, that error stays in every later
request. Here such a request begins a new stretch, in which the blocks after the prefix that the provider still
read from its cache are less by what is missing.

The words in front of the first message are not recorded either. What a session's first request already read, and
the least that any request read, were written by other sessions of the same client: there the front is parted.

Invariants:
- After it, the blocks of a request take what was counted, or up to ``SLACK_TOKENS`` more.
- A block that stands again in a later stretch takes what it took, unless something was taken out.
- Results keep their tokens as long as anything else can give some; thoughts go first, and the newest words first.
"""

from typing import Final

from perdure.profile.trace import Exchange, Need, Segment, Trace

SLACK_TOKENS: Final = 400
"""A reminder's worth: less isn't worth a stretch of its own."""

_ORDER: Final = (("thinking",), ("said", "user", "other", "call"), ("media", "result"))


def settled(trace: Trace) -> Trace:
    """Return ``trace`` with a new stretch wherever the client took something out."""
    return _Settling(trace).settled()


class _Settling:
    """A trace that is copied, stretch by stretch."""

    def __init__(self, trace: Trace) -> None:
        self._trace: Trace = trace
        self._segments: list[Segment] = []
        self._base: int = 0
        """where the present stretch begins among the copies"""
        self._tokens: int = 0
        """of the present stretch"""
        self._end: int = 0
        """segments of the original before this one are copied"""
        self._place: dict[int, int] = {}
        """original -> newest copy"""
        self._known: dict[tuple[str, str, str], int] = {}
        """tokens of a block when it stood for the first time"""
        reads = [request.usage.cache_read_tokens for request in trace.requests]
        self._fronts: list[int] = sorted(
            {read for read in (*reads[:1], min((read for read in reads if read), default=0)) if read}
        )
        """tokens up to where the words in front are shared with other sessions: what is read when nothing else is"""

    def settled(self) -> Trace:
        trace, requests, needs = self._trace, list[Exchange](), dict[tuple[int, int], Need]()
        by_request: dict[int, list[Need]] = {}
        for need in trace.needs:
            by_request.setdefault(need.request, []).append(need)
        for number, request in enumerate(trace.requests):
            if number == 0 or request.first != trace.requests[number - 1].first:
                self._begin(request.first)
            self._copy(request)
            over = self._tokens - request.usage.input_tokens
            if over > SLACK_TOKENS and request.usage.input_tokens:
                self._shrink(request, over)
            requests.append(request._replace(first=self._base, last=len(self._segments)))
            for need in by_request.get(number, ()):
                place = self._place.get(need.segment)
                if place is not None:
                    needs[place, number] = need._replace(segment=place)
        return trace._replace(
            segments=tuple(self._segments), requests=tuple(requests), needs=tuple(needs.values())
        )

    def _begin(self, first: int) -> None:
        self._base, self._tokens, self._end, self._place = len(self._segments), 0, first, {}

    def _copy(self, request: Exchange) -> None:
        """Put what the request holds for the first time in this stretch behind the rest, and make it fit."""
        opens, begin, fresh = not self._place, len(self._segments), list[int]()
        for place in range(self._end, request.last):
            segment = self._trace.segments[place]
            name = (segment.kind, segment.call, segment.digest)
            if name not in self._known:
                fresh.append(len(self._segments))
            self._place[place] = len(self._segments)
            self._segments.append(segment._replace(tokens=self._known.get(name, segment.tokens)))
        self._end = max(self._end, request.last)
        grown = sum(segment.tokens for segment in self._segments[begin:])
        under = request.usage.input_tokens - self._tokens - grown
        if under > 0 and fresh:
            self._widen(fresh, under)
            grown += under
        if opens and self._base == 0:
            self._part()
        self._tokens += grown
        for segment in self._segments[begin:]:
            self._known.setdefault((segment.kind, segment.call, segment.digest), segment.tokens)

    def _widen(self, places: list[int], under: int) -> None:
        """Give ``under`` tokens more to what stands at ``places``, to each its share."""
        before = sum(self._segments[place].tokens for place in places)
        left = under
        for place in places:
            segment = self._segments[place]
            more = under * segment.tokens // before if before else 0
            self._segments[place] = segment._replace(tokens=segment.tokens + more)
            left -= more
        widest = max(places, key=lambda place: self._segments[place].tokens)
        segment = self._segments[widest]
        self._segments[widest] = segment._replace(tokens=segment.tokens + left)

    def _part(self) -> None:
        """Let the unrecorded words in front end where another session's reading did."""
        places: list[int] = []
        for place in range(self._base, len(self._segments)):
            segment = self._segments[place]
            if segment.size or segment.kind not in ("system", "schema", "other"):
                break
            places.append(place)
        left = sum(self._segments[place].tokens for place in places)
        ends = [end for end in self._fronts if end < left][: max(len(places) - 1, 0)]
        if not ends:
            return
        widths = [end - begin for begin, end in zip([0, *ends], [*ends, left], strict=False)]
        for place, width in zip(places, [*widths, *[0] * len(places)], strict=False):
            self._segments[place] = self._segments[place]._replace(tokens=width)

    def _shrink(self, request: Exchange, over: int) -> None:
        """Begin a stretch that is ``over`` tokens less, behind what was read from the cache."""
        old = range(self._base, len(self._segments))
        stretch = self._segments[self._base :]
        first = _unread(stretch, request.usage.cache_read_tokens)
        for kinds in _ORDER:
            for place in range(len(stretch) - 1, first - 1, -1):
                segment = stretch[place]
                less = min(over, segment.tokens)
                if less and segment.kind in kinds:
                    stretch[place] = segment._replace(
                        tokens=segment.tokens - less, digest=f"{segment.digest} less {less}"
                    )
                    over -= less
        shift = len(self._segments) - self._base
        self._base = len(self._segments)
        self._segments += stretch
        self._tokens = sum(segment.tokens for segment in stretch)
        self._place = {origin: copy + shift for origin, copy in self._place.items() if copy in old}


def _unread(stretch: list[Segment], read: int) -> int:
    """Return the first place that ends behind ``read`` tokens."""
    tokens = 0
    for place, segment in enumerate(stretch):
        tokens += segment.tokens
        if tokens > read:
            return place
    return 0
