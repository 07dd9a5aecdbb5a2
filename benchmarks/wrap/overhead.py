"""What `perdure wrap` costs a real client on a headless task of forty turns, beside the same client alone.

Pairs run interleaved, and each pair's ratio is taken by itself; the median of them counts. With a provider that
answers after 0.3 s, one client runs at a time. With one that answers after 2 s the machine is idle nine tenths of
the time, so that bare and wrapped clients run side by side, a few seconds apart: that is what makes it fit.
CPU is that of the client, its servers, the wrapper and its keeper, with everything that they left behind.
"""

import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.wrap.driven import CLAUDE, Kind, Life, site_of
from benchmarks.wrap.metered import Metered
from benchmarks.wrap.processes import PERDURE
from benchmarks.wrap.script import Thinking, course

TURNS = 40
QUICK_SECONDS, SLOW_SECONDS = 0.3, 2.0
APART_SECONDS = 3.0
FEW_TURNS = 8
SLUGGISH = Path(__file__).parent / "sluggish"
SLUGGISH_SECONDS = 0.25
"""As `benchmarks/wrap/sluggish` has it."""
QUICK_PAIRS, SLOW_PAIRS = 3, 2
CONTRACT = """\
deny: ["*__refund"]
budgets:
  - { name: calls, of: calls, max: 10_000 }
"""
"""With a contract the client's own tools are judged, too: its hooks are on."""


class Pair(NamedTuple):
    """One task, done bare and wrapped."""

    bare: Metered
    wrapped: Metered

    @property
    def overhead(self) -> float:
        """By how much longer the wrapped one took, as a share."""
        return self.wrapped.seconds / self.bare.seconds - 1


class Unfinished(Exception):
    """A task was not done to its end, so its time says nothing."""


def done(
    kind: Kind,
    latency: float,
    *,
    wrapped: bool,
    judged: bool = False,
    turns: int = TURNS,
    broken: Path | None = None,
) -> Metered:
    """Let a client do the task and return what that took. Raises ``Unfinished``."""
    thinking = Thinking(course(turns), seed="overhead", workspace="", latency=latency)
    with thinking, site_of(kind, thinking.url, paying=False, broken=broken) as site:
        thinking.teller.placed(site.workspace)
        contract = site.base / "contract.yaml"
        contract.write_text(CONTRACT, encoding="utf-8")
        law = ("--contract", str(contract)) if judged else ()
        words = (*PERDURE, "wrap", "--run", "task", "--store", str(site.store), *law, "--") if wrapped else ()
        with Life(kind, site, "Do the forty steps.", wrapped=words) as life:
            metered = life.ended()
            said = life.said()
        wrote = len((site.workspace / "log.txt").read_text(encoding="utf-8").splitlines())
    mains = len(thinking.mains())
    if metered.status or thinking.refused() or mains != turns + 1 or wrote != turns // 4:
        raise Unfinished(
            f"{kind.name} {'wrapped' if wrapped else 'bare'} ended with {metered.status} after {mains} requests: "
            f"{thinking.refused()[:1]} {said[-600:]}"
        )
    return metered


def interleaved(kind: Kind, latency: float, pairs: int) -> list[Pair]:
    """Return pairs, one client at a time; who begins is drawn."""
    found: list[Pair] = []
    for _ in range(pairs):
        first = random.random() < 0.5
        taken = {wrapped: done(kind, latency, wrapped=wrapped) for wrapped in (first, not first)}
        found.append(Pair(taken[False], taken[True]))
    return found


def side_by_side(kind: Kind, latency: float, pairs: int) -> list[Pair]:
    """Return pairs that all run at once; each client starts by itself, since starting is what needs a whole core."""

    def later(number: int, *, wrapped: bool) -> Metered:
        time.sleep(number * APART_SECONDS)
        return done(kind, latency, wrapped=wrapped)

    with ThreadPoolExecutor(2 * pairs) as pool:
        runs = [
            (
                pool.submit(later, 2 * number, wrapped=False),
                pool.submit(later, 2 * number + 1, wrapped=True),
            )
            for number in range(pairs)
        ]
        return [Pair(bare.result(), wrapped.result()) for bare, wrapped in runs]


def sluggish_seen(kind: Kind) -> float:
    """Return by how many seconds a turn a build that holds up replies took longer. Raises ``AssertionError`` if unseen."""
    sound, slow = (
        done(kind, QUICK_SECONDS, wrapped=True, turns=FEW_TURNS, broken=broken).seconds
        for broken in (None, SLUGGISH)
    )
    more = (slow - sound) / FEW_TURNS
    if more < SLUGGISH_SECONDS / 2:
        raise AssertionError(
            f"a build that holds up each reply by {SLUGGISH_SECONDS} s took {more:.3f} s longer a turn"
        )
    return more


def overhead(say: Callable[[str], None], kind: Kind = CLAUDE) -> dict[str, float]:
    """Measure, and return the figures."""
    quick = interleaved(kind, QUICK_SECONDS, QUICK_PAIRS)
    judged = done(kind, QUICK_SECONDS, wrapped=True, judged=True)
    sluggish = sluggish_seen(kind)
    slow = side_by_side(kind, SLOW_SECONDS, SLOW_PAIRS)
    for name, pairs in (("0.3 s", quick), ("2 s", slow)):
        for pair in pairs:
            say(
                f"  {name}: bare {pair.bare.seconds:.2f} s ({pair.bare.cpu_seconds:.2f} s of CPU), "
                f"wrapped {pair.wrapped.seconds:.2f} s ({pair.wrapped.cpu_seconds:.2f} s): {pair.overhead:+.1%}"
            )
    say(f"  a build that holds up replies by {SLUGGISH_SECONDS} s: {sluggish:.2f} s more a turn")
    say(f"  0.3 s, with a contract: {judged.seconds:.2f} s ({judged.cpu_seconds:.2f} s of CPU)")
    return {
        "overhead_300ms": statistics.median(pair.overhead for pair in quick),
        "overhead_2s": statistics.median(pair.overhead for pair in slow),
        "overhead_300ms_judged": judged.seconds / statistics.median(pair.bare.seconds for pair in quick) - 1,
        "cpu_ms_per_turn": 1000 * statistics.median(pair.wrapped.cpu_seconds for pair in quick) / TURNS,
        "cpu_ms_per_turn_bare": 1000 * statistics.median(pair.bare.cpu_seconds for pair in quick) / TURNS,
    }
