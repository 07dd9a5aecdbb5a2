"""How much of a request stands as the provider was sent it before: what its cache has of this conversation.

Invariants:
- Where nothing moved and the client only went on, it is what the provider itself counted in the request before.
- A page that leaves ends it where the page begins. What is sent again behind that was never sent like this.
- Places are in tokens as the provider counts them: an estimate only says where between two counts a page lies.

Nothing here reads what the cache gave: that is what the prediction is compared with. What other conversations
put in the cache isn't known here, and a reply, which some servers keep as well, isn't counted.
"""

from typing import NamedTuple

from perdure.log import events as e
from perdure.log.events import Tariff
from perdure.projection.state import Page


class Reached(NamedTuple):
    """Up to here a request went that was answered."""

    messages: int
    estimate: int
    """of its tokens, nothing moved"""
    tokens: int
    """as the provider counted, with what was moved"""


class Lying(NamedTuple):
    """Where a page lies in the newest answered request, as it was sent."""

    at: int
    tokens: int


class Front:
    """The front of a conversation, as it goes."""

    def __init__(self) -> None:
        """Nothing was sent."""
        self._reached: list[Reached] = []
        self._lying: dict[str, Lying] = {}
        self._new: list[e.Arrived] = []
        """what came since the newest answer, and of it the tokens that a preview keeps out"""
        self._kept_out: dict[str, int] = {}
        self._out: set[str] = set()
        self._sent: int = 0
        self._now: Reached = Reached(0, 0, 0)
        """the newest request; its tokens are those that stand"""
        self._rewritten: int = -1
        """tokens in front of what the next request will have otherwise; -1: nothing"""
        self._uncounted: bool = False
        """whether the newest request may have reached the cache, and nobody counted it; and the one before it"""
        self._blind: bool = False
        self._tariff: Tariff = Tariff()
        self._held: int = 0
        """tokens of the newest answered request that were written to the cache"""

    def forwarded(self, body: e.RequestForwarded, tariff: Tariff, idle: int) -> None:
        """A request is under way, ``idle`` ns after the one before."""
        self._blind, self._uncounted = self._uncounted, True
        if body.broken:
            # All of its messages, and yet broken: tools or system, which stand in front of them, are others.
            self._cut(body.kept if body.kept < self._sent else 0)
        front = self._reached[-1].tokens if self._reached else 0
        if self._rewritten >= 0:
            front = min(front, self._rewritten)
            self._reached = [each for each in self._reached if each.tokens <= front]
            self._lying = {name: each for name, each in self._lying.items() if each.at < front}
        self._sent, self._rewritten = body.kept + len(body.messages), -1
        self._new += body.arrived
        self._tariff = tariff
        cold = bool(tariff.ttl) and idle > tariff.ttl
        self._now = Reached(self._sent, body.tokens, 0 if cold else min(front, self._held))

    def admitted(self, page: str, kept_out: int, *, in_front: bool) -> None:
        """A page came as a preview; ``in_front``: of all messages, where the next request will miss it."""
        self._out.add(page)
        if in_front:
            self._rewritten = 0
        else:
            self._kept_out[page] = kept_out

    def left(self, page: Page, tokens: int, kept_out: int) -> None:
        """A page left with the newest request; it took about ``tokens`` until then, and takes ``kept_out`` less."""
        name = page.page
        self._out.add(name)
        if any(each.page == name for each in self._new):
            self._kept_out[name] = page.tokens - page.shown_tokens
            return
        lying = self._lying.get(name) or self._about(tokens, page.before)
        self._now = self._now._replace(tokens=min(self._now.tokens, lying.at))
        gone = lying.tokens * kept_out // max(tokens, 1)
        self._reached = [
            each._replace(tokens=each.tokens - gone) if each.tokens > lying.at else each
            for each in self._reached
        ]
        for other, each in self._lying.items():
            if each.at > lying.at:
                self._lying[other] = each._replace(at=each.at - gone)
        self._lying[name] = Lying(lying.at, lying.tokens - gone)

    def turned(self) -> None:
        """What was moved comes back with the next request, or leaves once more."""
        if self._out:
            self._rewritten = min(self._lying[name].at if name in self._lying else 0 for name in self._out)

    def refused(self) -> None:
        """The provider took the newest request for wrong, or had no time for it: the cache is as it was."""
        self._uncounted = self._blind

    def answered(self, body: e.RequestAnswered) -> int:
        """Return what the cache should have given in all calls of the newest request; -1 if that isn't known."""
        told = body.told.input_tokens
        if not told:
            return -1
        front = self._now.tokens
        front = front if front >= self._tariff.minimum else 0
        # Of all calls but the last: each was sent again in front of the next one.
        earlier, first = body.usage.input_tokens - told, self._first(body)
        self._held = told
        if self._tariff.look_back:
            # Written at the client's marks, which end with what it sent: what the model was given stands behind.
            self._held, earlier = first, first * (body.calls - 1)
        self._lay(first)
        self._reached.append(self._now._replace(tokens=told))
        self._uncounted = False
        return -1 if self._blind else front + earlier

    def _first(self, body: e.RequestAnswered) -> int:
        """Return what the first call of an answered request held; where there were many, as if each added as much."""
        told, calls = body.told.input_tokens, body.calls
        if calls <= 1:
            return told
        return max(0, 2 * (body.usage.input_tokens - told) - told * (calls - 2)) // calls

    def _lay(self, counted: int) -> None:
        """Find where the pages lie that came since the newest answer: between its count and this one."""
        since = self._reached[-1] if self._reached else Reached(0, 0, 0)
        grown = max(0, counted - since.tokens)
        hidden = sum(self._kept_out.values())
        estimate = max(1, self._now.estimate - since.estimate - hidden)
        hidden = 0
        for page in self._new:
            less = self._kept_out.get(page.page, 0)
            front = min(max(0, page.before - since.estimate - hidden), estimate)
            size = min(page.tokens - less, estimate - front)
            self._lying[page.page] = Lying(since.tokens + front * grown // estimate, size * grown // estimate)
            hidden += less
        self._new, self._kept_out = [], {}

    def _about(self, tokens: int, before: int) -> Lying:
        """Return where a page lies that the client sent again in another place than it came at."""
        now = self._reached[-1] if self._reached else Reached(0, 1, 0)
        scale = max(1, now.estimate)
        return Lying(min(before, scale) * now.tokens // scale, min(tokens, scale) * now.tokens // scale)

    def _cut(self, messages: int) -> None:
        """Only so many messages stand as before; what lies behind them is laid out anew."""
        self._reached = [each for each in self._reached if each.messages <= messages]
        front = self._reached[-1].tokens if self._reached else 0
        self._lying = {name: each for name, each in self._lying.items() if each.at < front}
