"""The shape in which a pager thrashes: three files that are needed in turn, seven that are scanned, 681 turns.

The window is to be held under a target that the ten files don't fit into. A pager by age evicts each file shortly
before it is needed, again and again (Pichay: 659 faults for 606 evictions). Here a version of a file may be asked for
once for as long as it then stays.
"""

from typing import Final, NamedTuple

from perdure.log.events import Usage
from perdure.page.caching import MINUTE_NS, Rates, cache_rule
from perdure.profile.policies import AgeFifo, AppendOnly
from perdure.profile.route import Route, Terms, route
from perdure.profile.simulate import Aftermath, PagePolicy, play
from perdure.profile.simulate_ours import Ours
from perdure.profile.trace import Exchange, Need, Segment, Trace

TURNS: Final = 681
CYCLED: Final = 3
SCANNED: Final = 7
FILE_TOKENS: Final = 4_000
TARGET: Final = 60_000
"""Beside a front of 8,000 tokens and all words that are said, eight of the ten files fit, and a ninth of all versions."""

SCAN_EVERY: Final = 10
EDIT_EVERY: Final = 120
"""Turns after which a cycled file has changed and is read anew: a new version, which is a page of its own."""


class Thrash(NamedTuple):
    """What became of it."""

    versions: int
    moved: int
    faults: int
    per_version: float
    """faults of the page version that had most, for each of its pin lifetimes"""
    over: float
    """share of the turns after the first hundred in which the window was over its target"""


class _Counted:
    """A policy with its faults counted for each page."""

    def __init__(self, inner: PagePolicy) -> None:
        self.inner: PagePolicy = inner
        self.shifts = inner.shifts
        self.faults: dict[int, int] = {}
        self.lifetimes: dict[int, int] = {}
        self._until: dict[int, int] = {}

    def told(self, aftermath: Aftermath) -> None:
        """Count, and begin a lifetime wherever none is under way."""
        self.inner.told(aftermath)
        number = aftermath.number + 1
        for page in aftermath.faults:
            self.faults[page] = self.faults.get(page, 0) + 1
            if number > self._until.get(page, 0):
                self.lifetimes[page] = self.lifetimes.get(page, 0) + 1
            self._until[page] = max(self._until.get(page, 0), self._pinned(page))

    def _pinned(self, page: int) -> int:
        """Return the request before which the page may not leave again; who pins nothing has one lifetime."""
        if not isinstance(self.inner, Ours):
            return TURNS
        known = self.inner.state.live.pages.get(f"p-{page}")
        return known.pinned_until if known is not None else 0


def thrashing() -> Route:
    """Return the session, ready to be played."""
    segments = [Segment("system", 8_000, 24_000, "front")]
    requests: list[Exchange] = []
    needs: list[Need] = []
    newest: dict[str, int] = {}

    def read(name: str, turn: int) -> None:
        newest[name] = len(segments)
        call, content = f"read {name}", f"{name} at {turn}"
        segments.append(Segment("result", FILE_TOKENS, FILE_TOKENS * 3, content, "Read", name, call))

    files = [f"cycled-{number}" for number in range(CYCLED)] + [
        f"scanned-{number}" for number in range(SCANNED)
    ]
    for turn in range(TURNS):
        segments.append(Segment("user", 10, 30, f"turn {turn}"))
        if turn < len(files):
            read(files[turn], turn)
        elif turn % EDIT_EVERY < CYCLED:
            read(files[turn % EDIT_EVERY], turn)
        elif turn % SCAN_EVERY == 0:
            read(files[CYCLED + turn // SCAN_EVERY % SCANNED], turn)
        wanted = newest.get(files[turn % CYCLED])
        if wanted is not None and turn >= len(files):
            needs.append(Need(wanted, turn, "quoted"))
        total = (
            sum(segment.tokens for segment in segments)
            if not requests
            else requests[-1].usage.input_tokens
            + sum(segment.tokens for segment in segments[requests[-1].last :])
        )
        requests.append(
            Exchange((turn + 1) * MINUTE_NS, 0, len(segments), Usage(total, 15), model="claude-opus-5")
        )
        segments.append(Segment("said", 15, 45, f"reply {turn}"))
    rule = cache_rule("claude-opus-5")
    rates = Rates(5_000_000, 25_000_000, 500_000, 6_250_000, 10_000_000)
    terms = Terms("claude-opus-5", rule, rates, rule.ttl)
    trace = Trace("thrash", "claude-code", tuple(segments), tuple(requests), tuple(needs))
    return route(trace, lambda _: terms)


def thrash(policy: PagePolicy, path: Route, *, forgets: bool = False) -> Thrash:
    """Return what becomes of the session under ``policy``; ``forgets``: what is recalled doesn't stay."""
    counted = _Counted(policy)
    played = play(path, counted, "loose", spare=False, forgets=forgets)
    most = max((count / counted.lifetimes[page] for page, count in counted.faults.items()), default=0.0)
    late = played.windows[100:]
    return Thrash(
        len(path.folios),
        played.moved,
        sum(counted.faults.values()),
        most,
        sum(window > TARGET for window in late) / len(late),
    )


def faults_per_version() -> float:
    """Return the faults of the page version that had most, for each of its pin lifetimes, in mode 'room'."""
    path = thrashing()
    return thrash(Ours(path, "room", TARGET), path).per_version


def main() -> None:
    """Print it beside others."""
    path = thrashing()
    print("append-only", thrash(AppendOnly(), path))
    print("age-FIFO, 4, as a proxy that forgets", thrash(AgeFifo(4), path, forgets=True))
    print("ours, room", thrash(Ours(path, "room", TARGET), path))


if __name__ == "__main__":
    main()
