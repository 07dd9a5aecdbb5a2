"""What each policy would have made of a session, beside append-only.

Invariants:
- Every policy meets the same session: its hours, its prices, and what befell its cache.
- Each is shown under both counts of faults: strict, where a page is asked for again only when its call was made
  again, and loose, where also a quotation or another call about the same file counts. The truth lies between.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from perdure.profile.bound_below import bound
from perdure.profile.policies import AgeFifo, AppendOnly, Clearing, KeepLast, OneRule
from perdure.profile.route import Priced, Route, route
from perdure.profile.settling import settled
from perdure.profile.simulate import Charge, PagePolicy, play
from perdure.profile.simulate_ours import Ours
from perdure.profile.trace import Trace
from perdure.profile.witness import witnessed

MILLION: Final = 1_000_000
BOUND: Final = "offline bound"
"""Beside the policies: less than this none can pay, whatever it knows of the future."""

OURS: Final = "safe (ours)"

POLICIES: Final[dict[str, tuple[Callable[[Route], PagePolicy], str]]] = {
    OURS: (Ours, "what perdure gateway does in its mode 'safe'"),
    "previews": (lambda _: OneRule("admit", 2_000), "results over 2,000 tokens enter as a preview"),
    "after use": (lambda _: OneRule("used", 1_000), "results over 1,000 tokens leave after their first use"),
    "when cold": (lambda _: OneRule("cold", 500), "results leave when the cache has gone cold anyway"),
    "Anthropic's clearing": (lambda _: Clearing(), "over 100,000 tokens all results but three are cleared"),
    "keep last 10": (lambda _: KeepLast(10), "all results but the newest ten are masked"),
    "age of 4": (lambda _: AgeFifo(4), "results leave four requests after they came"),
}
"""Policies by name, and what they are."""


class Hindsight(msgspec.Struct, frozen=True):
    """What sessions would have cost under a policy, with the faults of one count."""

    policy: str
    charge: str
    """'loose' or 'strict'"""
    sessions: int = 0
    alone: int = 0
    """input of append-only, in millionths of a dollar"""
    cost: int = 0
    worst: float = 1.0
    """the largest share of append-only that a session cost"""
    moved: int = 0
    """pages, each once"""
    faulted: int = 0

    @property
    def share(self) -> float:
        """What it cost, as a share of append-only."""
        return self.cost / self.alone if self.alone else 1.0


def hindsight(trace: Trace, priced: Priced) -> tuple[Hindsight, ...]:
    """Return what each policy would have made of ``trace``; nothing where there is nothing to decide."""
    if len(trace.requests) < 2 or not any(segment.kind == "result" for segment in trace.segments):
        return ()
    calm = settled(trace)
    way = witnessed(route(calm, priced)).route
    alone = play(way, AppendOnly(), "none").cost
    if not alone:
        return ()
    found: list[Hindsight] = []
    charges: tuple[Charge, ...] = ("loose", "strict")
    for name, (made, _) in POLICIES.items():
        for charge in charges:
            played = play(way, made(way), charge)
            found.append(
                Hindsight(
                    name,
                    charge,
                    1,
                    alone // MILLION,
                    played.cost // MILLION,
                    played.cost / alone,
                    played.moved,
                    played.faulted,
                )
            )
    for charge in charges:
        least = bound(way, charge)
        found.append(Hindsight(BOUND, charge, 1, alone // MILLION, least // MILLION, least / alone))
    return tuple(found)


def summed(found: Iterable[Hindsight]) -> tuple[Hindsight, ...]:
    """Return one outcome for each policy and count."""
    sums: dict[tuple[str, str], Hindsight] = {}
    for each in found:
        before = sums.get((each.policy, each.charge))
        sums[each.policy, each.charge] = each if before is None else _sum(before, each)
    return tuple(sums.values())


def _sum(one: Hindsight, other: Hindsight) -> Hindsight:
    return Hindsight(
        one.policy,
        one.charge,
        one.sessions + other.sessions,
        one.alone + other.alone,
        one.cost + other.cost,
        max(one.worst, other.worst),
        one.moved + other.moved,
        one.faulted + other.faulted,
    )
