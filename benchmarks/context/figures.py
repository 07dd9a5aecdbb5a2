"""The lab's figures, each measured when it is asked for: replay, policies, bounds, other lives, no cache, room."""

import statistics
from collections.abc import Iterable
from typing import NamedTuple

from benchmarks.context.compare import OURS_MARKS, POLICIES, Routed, Standing, as_recorded, ours
from benchmarks.context.corpora import LIVES, Session, living, ready, uncached
from perdure.profile.bound_below import bound, plan
from perdure.profile.bound_exact import optimum
from perdure.profile.policies import AppendOnly, Planned
from perdure.profile.route import Route
from perdure.profile.simulate import Charge, play
from perdure.profile.simulate_ours import Ours
from perdure.profile.windows import window
from perdure.profile.witness import EXPLAINED

CHARGES: tuple[Charge, ...] = ("loose", "strict")

MATCHED = 0.03
"""What a session's reads and writes may be off before it is listed."""

ROOM_SHARE = 0.75
"""Of its own peak, the target under which 'room' is asked to keep a session's window."""


class Replay(NamedTuple):
    """How append-only compares with what a provider counted."""

    read: float
    """error of all reads, as a share"""
    written: float
    """and of all writes, where writes are counted"""
    read_by_rules: float
    """the same with nothing but the rules of the cache"""
    written_by_rules: float
    requests: int
    predicted: int
    """requests that the rules alone predict"""

    @property
    def error(self) -> float:
        """The larger of the two errors."""
        return max(abs(self.read), abs(self.written))


def replay(sessions: Iterable[Session]) -> Replay:
    """Return how well the sessions are reproduced, all together."""
    sums = [0] * 6
    requests = befallen = 0
    for session in sessions:
        seen = session.seen
        counted = session.source == "claude-code"
        sums[0] += seen.read
        sums[1] += seen.read_replayed
        sums[2] += seen.read_by_rules
        if counted:
            sums[3] += seen.written
            sums[4] += seen.written_replayed
            sums[5] += seen.written_by_rules
        requests += len(session.trace.requests)
        befallen += len(seen.befallen)
    read, written = max(sums[0], 1), max(sums[3], 1)
    return Replay(
        sums[1] / read - 1,
        sums[4] / written - 1 if sums[3] else 0.0,
        sums[2] / read - 1,
        sums[5] / written - 1 if sums[3] else 0.0,
        requests,
        requests - befallen,
    )


def unmatched(sessions: Iterable[Session]) -> list[str]:
    """Return the sessions that are off by more than ``MATCHED`` by themselves, each with its reason."""
    found: list[str] = []
    for session in sessions:
        one = replay([session])
        if one.error > MATCHED:
            whys = {each.why for each in session.seen.befallen}
            told = [text for why, text in EXPLAINED.items() if why in whys]
            reasons = "; ".join(told) or "small differences of many requests"
            found.append(
                f"{session.name}: reads {one.read:+.1%}, writes {one.written:+.1%} of "
                f"{session.seen.written:,} tokens ({reasons})"
            )
    return found


class Below(NamedTuple):
    """What is possible at most: the proven bound, and a plan that knows the future, as shares of append-only."""

    bound: float
    plan: float


def below(sessions: Iterable[Session], charge: Charge, routed: Routed = as_recorded) -> Below:
    """Return the bound of all sessions together."""
    alone = least = planned = 0
    for session in sessions:
        path = routed(session)
        alone += play(path, AppendOnly(), "none").cost
        least += bound(path, charge)
        planned += play(path, Planned(plan(path, charge)), charge).cost
    return Below(least / alone, planned / alone) if alone else Below(1.0, 1.0)


def captured(cost: float, least: float) -> float:
    """Return the share of the saving that is possible at most which was made."""
    return (1 - cost) / (1 - least) if least < 1 else 0.0


def at_life(ttl: int) -> Routed:
    """Return how a session is played had every entry lived for ``ttl`` ns, by the rules alone."""
    return lambda session: ready(session, living(session.trace, ttl))


class Room(NamedTuple):
    """What 'room' does to peaks and to money, as shares of append-only."""

    peak: float
    """the median of the peaks up to the first compaction"""
    cost: float
    worst: float
    compacted: int
    """sessions with a compaction"""
    later: int
    """and those in which the window had room left when it came"""
    free: float
    """the median of what was free then, as a share of the peak"""


def room(sessions: Iterable[Session], charge: Charge) -> Room:
    """Return what 'room' does when it is asked to keep each window under ``ROOM_SHARE`` of its own peak."""
    peaks: list[float] = []
    free: list[float] = []
    costs = [0, 0]
    worst = 0.0
    for session in sessions:
        path = session.seen.route
        first = session.trace.compactions[0] if session.trace.compactions else 0
        alone = play(path, AppendOnly(), "none")
        peak = max(alone.windows[: first or None])
        paged = play(path, Ours(path, "room", int(peak * ROOM_SHARE)), charge, spare=OURS_MARKS)
        peaks.append(max(paged.windows[: first or None]) / peak)
        if first:
            free.append(1 - paged.windows[first - 1] / peak)
        costs = [costs[0] + alone.cost, costs[1] + paged.cost]
        worst = max(worst, paged.cost / alone.cost)
    return Room(
        statistics.median(peaks),
        costs[1] / costs[0],
        worst,
        len(free),
        sum(each > 0.05 for each in free),
        statistics.median(free) if free else 0.0,
    )


class Window(NamedTuple):
    """How far the bound lies below the optimum where the optimum can be found."""

    windows: int
    given_up: int
    """windows that would have taken too many plays"""
    least: float
    """the bound as a share of the optimum, at worst"""
    beaten: int
    """policies that were cheaper than the optimum: more than none is a fault of the lab"""


def windows(sessions: Iterable[Session], *, count: int = 8, pages: int = 4, plays: int = 3000) -> Window:
    """Return how near the bound comes on small windows of the sessions, four of each."""
    found = given_up = beaten = 0
    least = 1.0
    for session in sessions:
        path = session.seen.route
        for first in range(0, len(path.legs) - count, max(1, len(path.legs) // 4)):
            small = window(path, first, count, pages)
            for charge in CHARGES if small.folios else ():
                best = optimum(small, charge, plays)
                if best is None:
                    given_up += 1
                    continue
                found += 1
                least = min(least, best.below / best.cost)
                beaten += sum(
                    play(small, made(small, charge), charge).cost < best.cost for made in POLICIES.values()
                )
    return Window(found, given_up, least, beaten)


def bare(session: Session) -> Route:
    """Return the session without any prompt cache."""
    return ready(session, uncached(session.trace))


def uncached_standing(sessions: Iterable[Session], charge: Charge) -> Standing:
    """Return how the mode for servers without a cache does on them."""
    return ours(sessions, charge, bare, mode="nocache")


def lives(sessions: Iterable[Session], charge: Charge) -> dict[str, Standing]:
    """Return how ours does were the caches' entries to live otherwise than recorded, by the rules alone."""
    mine = list(sessions)
    return {name: ours(mine, charge, at_life(ttl)) for name, ttl in LIVES.items()}
