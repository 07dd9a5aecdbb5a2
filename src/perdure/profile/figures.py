"""Where a session's tokens and money went: the nouns, and how those of several sessions are one.

Invariants:
- Tokens are counted once for each request that sent them. Over all kinds they are the input tokens recorded.
- Money is each request's, shared out by place: what the provider read from its cache stands in front. Over all kinds,
  with what was replied, it is the money recorded.
- What is stale is told by three definitions, each a part of what tool results took. They overlap.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

STALE: Final = {
    "unneeded": "results sent again after the last reply that needed them by any sign",
    "superseded": "results sent again after the same call, or the same tool on the same file, had given a newer one",
    "old": "results of 500 characters and more, sent again over four of the person's turns after they came",
}
"""What counts as stale, as it is printed."""

CURVE_POINTS: Final = 160
"""Of a session's window over time: more than a screen shows side by side."""


class Share(msgspec.Struct, frozen=True):
    """A part of all that was sent."""

    sent: int = 0
    """tokens, counted again in each request"""
    microusd: int = 0
    fresh: int = 0
    """tokens when they were sent for the first time"""
    count: int = 0
    """segments"""

    def __add__(self, other: "Share") -> "Share":
        """Return both together."""
        return Share(
            self.sent + other.sent,
            self.microusd + other.microusd,
            self.fresh + other.fresh,
            self.count + other.count,
        )


class Cold(msgspec.Struct, frozen=True):
    """Requests that found less than half of the prompt before in the cache, for one reason."""

    count: int = 0
    tokens: int = 0
    """that had been in the cache, and were paid anew"""
    microusd: int = 0
    """what that cost beyond reading them"""

    def __add__(self, other: "Cold") -> "Cold":
        """Return both together."""
        return Cold(self.count + other.count, self.tokens + other.tokens, self.microusd + other.microusd)


class Rereads(msgspec.Struct, frozen=True):
    """Results about a file of which the same tool had given one before."""

    reads: int = 0
    """results about files, all of them"""
    again: int = 0
    same: int = 0
    """of those again: with the same content"""
    tokens: int = 0
    """of those again, each once"""

    def __add__(self, other: "Rereads") -> "Rereads":
        """Return both together."""
        return Rereads(
            self.reads + other.reads,
            self.again + other.again,
            self.same + other.same,
            self.tokens + other.tokens,
        )


class Point(msgspec.Struct, frozen=True):
    """The window at one request."""

    request: int
    at: int
    kinds: dict[str, int]
    cold: bool
    compacted: bool


class Breakdown(msgspec.Struct, frozen=True):
    """What one session, or many, took."""

    name: str
    source: str
    models: dict[str, int]
    """requests to each"""
    sessions: int = 1
    requests: int = 0
    begun: int = 0
    ended: int = 0
    input: int = 0
    output: int = 0
    read: int = 0
    written: int = 0
    written_long: int = 0
    microusd: int = 0
    output_microusd: int = 0
    unpriced: int = 0
    """requests whose price isn't known"""
    kinds: dict[str, Share] = {}
    tools: dict[str, Share] = {}
    """of results"""
    stale: dict[str, Share] = {}
    duplicates: Share = Share()
    """results that stood in the window already, word for word"""
    rereads: Rereads = Rereads()
    cold: dict[str, Cold] = {}
    """'idle' past its time to live, 'rewritten' by the client, or 'lost': no reason is recorded"""
    peak: int = 0
    compactions: int = 0
    needed: dict[str, int] = {}
    """distinct results that were needed again after their first reply: 'strict', 'quoted', 'path'"""
    results: int = 0
    curve: tuple[Point, ...] = ()
    assumed: tuple[str, ...] = ()

    @property
    def cached(self) -> float:
        """Which part of the input the provider read from its cache."""
        return self.read / self.input if self.input else 0.0


def together(name: str, figures: Iterable[Breakdown]) -> Breakdown:
    """Return the sessions as one; a window over time is each session's own."""
    total = Breakdown(name, "", {}, sessions=0)
    for each in figures:
        total = _sum(total, each)
    kinds, tools = (
        dict(sorted(part.items(), key=_sent, reverse=True)) for part in (total.kinds, total.tools)
    )
    return msgspec.structs.replace(total, kinds=kinds, tools=tools)


def _sent(item: tuple[str, Share]) -> int:
    return item[1].sent


def _sum(one: Breakdown, other: Breakdown) -> Breakdown:
    begun = min((when for when in (one.begun, other.begun) if when), default=0)
    return Breakdown(
        one.name,
        other.source if one.source in ("", other.source) else "several",
        _counts(one.models, other.models),
        one.sessions + other.sessions,
        one.requests + other.requests,
        begun,
        max(one.ended, other.ended),
        one.input + other.input,
        one.output + other.output,
        one.read + other.read,
        one.written + other.written,
        one.written_long + other.written_long,
        one.microusd + other.microusd,
        one.output_microusd + other.output_microusd,
        one.unpriced + other.unpriced,
        _shares(one.kinds, other.kinds),
        _shares(one.tools, other.tools),
        _shares(one.stale, other.stale),
        one.duplicates + other.duplicates,
        one.rereads + other.rereads,
        {
            why: one.cold.get(why, Cold()) + other.cold.get(why, Cold())
            for why in dict.fromkeys((*one.cold, *other.cold))
        },
        max(one.peak, other.peak),
        one.compactions + other.compactions,
        _counts(one.needed, other.needed),
        one.results + other.results,
        (),
        tuple(dict.fromkeys((*one.assumed, *other.assumed))),
    )


def _shares(one: dict[str, Share], other: dict[str, Share]) -> dict[str, Share]:
    return {name: one.get(name, Share()) + other.get(name, Share()) for name in dict.fromkeys((*one, *other))}


def _counts(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in dict.fromkeys((*one, *other))}
