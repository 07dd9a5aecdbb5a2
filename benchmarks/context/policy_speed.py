"""What a policy's turn costs: the decision alone, in a long conversation, beside folding what was decided.

`python -m benchmarks.context.policy_speed` prints both. Each turn is decided three times and the quickest counts, so
that what else the machine does is not taken for the policy's.
"""

import statistics
import time
from typing import Final, NamedTuple

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.page.caching import MINUTE_NS, Rates, tariff
from perdure.page.policy import moves
from perdure.projection.evolve import evolve
from perdure.projection.state import State

TURNS: Final = 600
TRIES: Final = 3
MODEL: Final = "claude-opus-5"
RATES: Final = Rates(5_000_000, 25_000_000, 500_000, 6_250_000)
SIZES: Final = (300, 900, 2_500, 300, 6_000, 700, 12_000)
"""Tokens of the results that come, one with each turn, over and over: a median of 900 and a few long ones."""


class Speed(NamedTuple):
    """Microseconds."""

    mean: float
    """of a turn, the heavy ones among them"""
    median: float
    slowest: float
    fold: float
    """mean of folding a turn's request, moves and answer"""
    moved: int
    """pages that left; a policy that never moves anything is not measured"""


def speed(mode: str = "safe") -> Speed:
    """Measure a conversation of ``TURNS`` turns in ``mode``."""
    state, position, window = State(), 0, 20_000

    def fold(body: e.Body, at: int) -> None:
        nonlocal state, position
        position += 1
        state = evolve(state, Event("speed", position, at, 1, 0, body))

    prices = tariff(MODEL, RATES)
    fold(
        e.ConversationOpened("speed", "messages", MODEL, mode=mode, recall=True, tariff=prices, room=100_000),
        0,
    )
    decided: list[float] = []
    folded: list[float] = []
    at = 0
    for number in range(1, TURNS + 1):
        at += 7 * MINUTE_NS if number % 50 == 0 else MINUTE_NS // 6
        size = SIZES[number % len(SIZES)]
        body = _request(number, size, window)
        window += size + 200
        begun = time.perf_counter_ns()
        fold(body, at)
        between = time.perf_counter_ns() - begun
        quickest, found = float("inf"), tuple[e.Body, ...]()
        for _ in range(TRIES):
            begun = time.perf_counter_ns()
            found = moves(state, body, at)
            quickest = min(quickest, time.perf_counter_ns() - begun)
        decided.append(quickest / 1000)
        begun = time.perf_counter_ns()
        for move in found:
            fold(move, at)
        fold(_answer(number, window, size), at)
        folded.append((between + time.perf_counter_ns() - begun) / 1000)
    talk = state.live.conversation
    return Speed(
        statistics.fmean(decided),
        statistics.median(decided),
        max(decided),
        statistics.fmean(folded),
        talk.evicted if talk is not None else 0,
    )


def policy_us() -> float:
    """Return the mean microseconds of a turn's decision, in the default mode."""
    found = speed()
    if not found.moved:
        raise AssertionError("nothing was moved: there was nothing to decide")
    return found.mean


def _request(number: int, size: int, window: int) -> e.RequestForwarded:
    page = f"p-{number}"
    preview = e.Content(1_500, None, f"preview {page}") if size > 1_000 else None
    arrived = e.Arrived(
        page=page,
        content=e.Content(size * 3, None, f"content {page}"),
        tokens=size,
        call=f"call {number}",
        tool="Read" if number % 2 else "Bash",
        about=f"src/module_{number % 40}.py",
        before=window,
        preview=preview,
        preview_tokens=500 if preview is not None else 0,
    )
    return e.RequestForwarded(
        number=number,
        model=MODEL,
        tokens=window + size,
        kept=2 * number,
        messages=("a", "b"),
        arrived=(arrived,),
    )


def _answer(number: int, window: int, size: int) -> e.RequestAnswered:
    read = max(0, window - size - 200)
    cost = (read * RATES.read + (window - read) * RATES.write) // 1_000_000
    usage = e.Usage(window, 150, read, window - read, cost)
    return e.RequestAnswered(number=number, usage=usage, told=usage, alone_microusd=cost + cost // 50)


def main() -> None:
    """Print a line for each mode."""
    for mode in ("safe", "room", "nocache", "observe"):
        print(f"{mode:8}", " ".join(f"{name} {value:.1f}" for name, value in speed(mode)._asdict().items()))


if __name__ == "__main__":
    main()
