"""How often is it paid? Stories with real clients, bare and wrapped, and payments that were all meant.

The figures are of the payment server's book. Every story has payees, amounts, invoices and references of its own,
drawn anew in each run; the seed is told, so that a story which went wrong can be played again.
"""

import os
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from benchmarks.wrap.driven import CLAUDE, KINDS, Kind, Life, site_of
from benchmarks.wrap.references import drawn
from benchmarks.wrap.script import Pay, Shell, Step, Thinking
from benchmarks.wrap.stories import LATENCY_SECONDS, PAYEES, Plot, Strayed, Told, told, wrapping

FORGETFUL = Path(__file__).parent / "forgetful"
AT_ONCE = 2
"""Stories side by side: a client mostly waits for its provider."""
BARE = Plot(wrapped=False)
PLOTS = (
    Plot("declared"),
    Plot("undeclared"),
    Plot("declared", late=False),
    Plot("undeclared", late=False),
)
MEANT = 4


class Forward(msgspec.Struct, frozen=True):
    """Payments of one session that nobody interrupted, all of them meant."""

    kind: str
    meant: int
    paid: int
    left: list[str]


def repeats(draw: random.Random) -> tuple[Step, ...]:
    """Return payments that look like repetitions and are none: all of one amount, two of them word for word."""
    payee, cents = draw.choice(PAYEES), draw.randint(100, 99_999)
    references = drawn(draw, 3)
    same = Pay(payee, cents, references[:1])
    return (
        Shell("echo begun > notes.txt"),
        same,
        same,
        Pay(payee, cents, references[1:2]),
        Pay(payee, cents, references[2:3], "again"),
    )


def forward(kind: Kind, seed: str) -> Forward:
    """Let a wrapped client make payments that nothing is declared of; return how many were made."""
    thinking = Thinking(repeats(random.Random(seed)), seed=seed, workspace="", latency=LATENCY_SECONDS)
    with thinking, site_of(kind, thinking.url) as site:
        thinking.teller.placed(site.workspace)
        with Life(kind, site, "Pay all of them.", wrapped=wrapping(site, Plot())) as life:
            metered = life.ended()
            said = life.said()
        if metered.status or thinking.refused():
            raise Strayed(f"{kind.name}: {metered.status} {thinking.refused()[:1]} {said[-600:]}")
        return Forward(kind.name, MEANT, len(site.book.paid()), metered.left)


def _all(seed: str, say: Callable[[str], None]) -> tuple[list[Told], list[Forward], Told]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        stories = [
            pool.submit(_story, kind, plot, f"{seed} {kind.name} {plot.name}", say)
            for plot in (BARE, *PLOTS)
            for kind in KINDS
        ]
        ahead = [pool.submit(_ahead, kind, f"{seed} {kind.name}", say) for kind in KINDS]
        forgetful = pool.submit(_story, CLAUDE, Plot("declared"), f"{seed} forgetful", say, FORGETFUL)
        return [each.result() for each in stories], [each.result() for each in ahead], forgetful.result()


def _story(kind: Kind, plot: Plot, seed: str, say: Callable[[str], None], broken: Path | None = None) -> Told:
    story = told(kind, plot, seed, broken=broken)
    asked = "".join(f"; {each.what} of {each.invoice}: {each.answer}" for each in story.asked)
    build = ", without receipts" if broken else ""
    counts = f"paid {story.first} times, the one that was meant {story.second} times"
    say(f"  {story.kind}, {story.plot.name}{build}: {counts}{asked}")
    return story


def _ahead(kind: Kind, seed: str, say: Callable[[str], None]) -> Forward:
    found = forward(kind, seed)
    say(f"  {kind.name}, going forward: {found.paid} of {found.meant} paid")
    return found


def _asked(stories: Sequence[Told]) -> int:
    """How many stories asked a person before they paid what differed, or held it back as a doubt."""
    return sum(any(each.answer in {"deny", "settle"} for each in story.asked) for story in stories)


def payments(say: Callable[[str], None]) -> dict[str, object]:
    """Measure, and return the figures. Raises ``AssertionError`` where the harness misses a build without receipts."""
    seed = os.urandom(4).hex()
    say(f"  seed {seed}")
    stories, ahead, forgetful = _all(seed, say)
    if forgetful.first < 2:
        raise AssertionError("the harness does not see that a build without receipts pays twice")
    bare = [story for story in stories if not story.plot.wrapped]
    wrapped = [story for story in stories if story.plot.wrapped]
    undeclared = [story for story in wrapped if story.plot.declared == "undeclared"]
    blocked = [story.blocked for story in wrapped]
    return {
        "payments": max(story.first for story in wrapped),
        "payments_bare": min(story.first for story in bare),
        "payments_stories": len(wrapped),
        "payments_lost": sum(story.first < 1 for story in wrapped),
        "undeclared_asked": _asked(undeclared),
        "undeclared_stories": len(undeclared),
        "blocked_legitimate": sum(blocked) + sum(each.meant - each.paid for each in ahead),
        "legitimate": len(blocked) + sum(each.meant for each in ahead),
        "legitimate_made": sum(min(1, story.second) for story in wrapped) + sum(each.paid for each in ahead),
        "payments_orphans": sum(len(each.left) for each in [*stories, *ahead]),
        "payments_forgetful": forgetful.first,
    }
