"""`python -m benchmarks.context.policy_speed`: what deciding takes on each turn of a long conversation, in microseconds."""

import gc
import statistics
import time
from typing import NamedTuple

from perdure.log import events as e
from perdure.log.envelope import Event
from perdure.page.policy import moves
from perdure.projection.evolve import evolve
from perdure.projection.state import State

TURNS = 2_000
ROUNDS = 3
TARIFF = e.Tariff(5_000_000, 500_000, 6_250_000, 25_000_000, 300_000_000_000, 1_024, look_back=20)


class Speed(NamedTuple):
    """Microseconds for a decision, beyond the hashing of new bytes, which is the caller's."""

    median: float
    p99: float
    pages: int
    """in the table at the end"""


def policy_speed(turns: int = TURNS) -> Speed:
    """Decide every turn of a conversation of ``turns`` requests, each with one to three results and some pauses."""
    taken: list[float] = []
    state = _told(State(), e.ConversationOpened("bench", "messages", "m", tariff=TARIFF), 0)
    at, tokens, moved = 0, 20_000, 0
    for number in range(1, turns + 1):
        at += (600 if number % 97 == 0 else 8) * 1_000_000_000
        arrived: list[e.Arrived] = []
        for index in range(1 + number % 3):
            size = (150, 700, 1_600, 5_000)[(number + index) % 4]
            arrived.append(_arrived(f"p-{number}-{index}", size, tokens))
            tokens += size
        body = e.RequestForwarded(number, tokens=tokens, arrived=tuple(arrived))
        state = _told(state, body, at)
        begun = time.perf_counter()
        decided = moves(state, body, at)
        taken.append((time.perf_counter() - begun) * 1e6)
        for move in decided:
            state = _told(state, move, at)
        talk = state.live.conversation
        moved = talk.moved if talk is not None else 0
        read = tokens - moved - 3_000
        usage = e.Usage(tokens - moved, 300, read, 3_000, (read + 3_000 * 12) // 2)
        state = _told(state, e.RequestAnswered(number, usage, usage, alone_microusd=tokens // 2 + 18_000), at)
    ordered = sorted(taken)
    return Speed(statistics.median(ordered), ordered[len(ordered) * 99 // 100], len(state.live.pages))


def policy_us() -> float:
    """Return the median of the best of some rounds: the cost itself, without what else the machine does."""
    return min(_quiet().median for _ in range(ROUNDS))


def _quiet() -> Speed:
    gc.collect()
    gc.disable()
    try:
        return policy_speed()
    finally:
        gc.enable()


def _arrived(name: str, tokens: int, before: int) -> e.Arrived:
    preview = e.Content(1_200, f"a preview of {name}") if tokens >= 1_500 else None
    return e.Arrived(
        page=name,
        content=e.Content(tokens * 3, None, name),
        tokens=tokens,
        call=f"call-{name}",
        tool="Read" if tokens > 1_000 else "Bash",
        about=f"src/{len(name)}-{tokens}.py",
        before=before,
        preview=preview,
        preview_tokens=400 if preview is not None else 0,
    )


def _told(state: State, body: e.Body, at: int) -> State:
    return evolve(state, Event("r", state.position + 1, at, 1, 0, body))


if __name__ == "__main__":
    best = min((_quiet() for _ in range(ROUNDS)), key=lambda speed: speed.median)
    print(f"{best.pages} pages, {TURNS} turns: median {best.median:.1f} us, p99 {best.p99:.1f} us")
