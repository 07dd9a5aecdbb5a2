"""Policies beside one another: what each makes of the sessions, and of which tokens and money."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from benchmarks.context.corpora import Session
from perdure.profile.policies import AgeFifo, AppendOnly, Belady, Clearing, KeepLast, Lru, OneRule
from perdure.profile.route import Route
from perdure.profile.simulate import Charge, PagePolicy, Playback, play
from perdure.profile.simulate_ours import Ours

Made = Callable[[Route, Charge], PagePolicy]

OURS = "ours"
OURS_MARKS = False
"""The gateway leaves marks to the client. All others are played as if they set one of their own where it helps."""
POLICIES: dict[str, Made] = {
    "append-only": lambda _, __: AppendOnly(),
    "age-FIFO, 4 (Pichay)": lambda _, __: AgeFifo(4),
    "age-FIFO, 20": lambda _, __: AgeFifo(20),
    "keep the last 10": lambda _, __: KeepLast(10),
    "Anthropic's clearing": lambda _, __: Clearing(),
    "LRU of 40,000 tokens": lambda route, _: Lru(route, 40_000),
    "Belady (clairvoyant)": lambda route, charge: Belady(route, strict=charge == "strict"),
    "previews from 2,000": lambda _, __: OneRule("admit", 2_000),
    "after use from 1,000": lambda _, __: OneRule("used", 1_000),
    "when cold from 500": lambda _, __: OneRule("cold", 500),
    OURS: lambda route, _: Ours(route),
}


class Run(NamedTuple):
    """One session under one policy, beside append-only."""

    session: Session
    alone: Playback
    played: Playback

    @property
    def ratio(self) -> float:
        """What it cost, as a share of append-only."""
        return self.played.cost / self.alone.cost


class Standing(NamedTuple):
    """A policy over several sessions."""

    runs: tuple[Run, ...]

    @property
    def cost(self) -> float:
        """What all sessions cost together, as a share of append-only."""
        alone = sum(run.alone.cost for run in self.runs)
        return sum(run.played.cost for run in self.runs) / alone if alone else 1.0

    @property
    def worst(self) -> Run | None:
        """The session in which it did worst."""
        return max(self.runs, key=lambda run: run.ratio, default=None)

    @property
    def tokens(self) -> float:
        """Tokens of all windows, as a share of append-only."""
        alone = sum(sum(run.alone.windows) for run in self.runs)
        return sum(sum(run.played.windows) for run in self.runs) / alone if alone else 1.0

    @property
    def moved(self) -> int:
        """Pages that were moved, each once."""
        return sum(run.played.moved for run in self.runs)

    @property
    def faulted(self) -> int:
        """And of those the ones that were asked for again, each once."""
        return sum(run.played.faulted for run in self.runs)


Routed = Callable[[Session], Route]


def as_recorded(session: Session) -> Route:
    """Return the session as it was: recorded terms, and what befell its cache."""
    return session.seen.route


def standing(
    sessions: Iterable[Session],
    made: Made,
    charge: Charge,
    routed: Routed = as_recorded,
    *,
    spare: bool = True,
) -> Standing:
    """Return how the policy does on ``sessions``; ``spare``: whether it sets a mark of its own."""
    runs: list[Run] = []
    for session in sessions:
        path = routed(session)
        alone = play(path, AppendOnly(), "none", spare=spare)
        runs.append(Run(session, alone, play(path, made(path, charge), charge, spare=spare)))
    return Standing(tuple(runs))


def ours(
    sessions: Iterable[Session], charge: Charge, routed: Routed = as_recorded, *, mode: str = "safe"
) -> Standing:
    """Return how our own policy does on ``sessions``, as the gateway sends its requests."""
    return standing(sessions, lambda path, _: Ours(path, mode), charge, routed, spare=OURS_MARKS)


def contender(sessions: Iterable[Session], name: str, charge: Charge) -> Standing:
    """Return how the policy of that name does, at recorded terms."""
    return ours(sessions, charge) if name == OURS else standing(sessions, POLICIES[name], charge)
