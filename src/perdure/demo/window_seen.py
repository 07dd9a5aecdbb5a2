"""The figures of the third scene, and which of them are claims."""

from collections.abc import Iterator
from typing import Final

import msgspec

CLAIMS: Final = {
    "same_answers": "both agents noted the same, and what they noted is right",
    "page_moved": "a result came as a preview or left, and is named by a handle",
    "page_came_back": "the model got a page back within one reply, and the agent's history knows nothing of it",
    "same_after_kill": "after SIGKILL the next gateway sent the same bytes, and the cache had all of them",
    "prefix_kept": "each request went on where the one before had ended, but for pages that left on purpose",
    "goes_on_bare": "without the gateway the agent's own history was accepted",
    "log_sound": "the log verifies, and decides the same again",
    "within_cap": "perdure cost no more than the 2 % that it may lose",
}


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. All money is in millionths of a dollar."""

    requests: int
    """of the agent, through the gateway"""
    bare_microusd: int
    """what the provider billed for them without perdure"""
    paid_microusd: int
    """and with it, the recalls and the reply that was cut off among them"""
    cut_microusd: int
    """the reply that was cut off"""
    leaving_microusd: int
    """what the first request without the gateway cost more than the agent that never had one paid for it"""
    account_microusd: int
    """what perdure's own account says was paid"""
    alone_microusd: int
    """what it says append-only would have cost"""
    moves: int
    faults: int
    breaks_decided: int
    """times that a page left, and what stood behind it was sent anew"""
    breaks: int
    """times that the prefix changed for no such reason"""
    seconds: float
    same_answers: bool
    page_moved: bool
    page_came_back: bool
    same_after_kill: bool
    prefix_kept: bool
    goes_on_bare: bool
    log_sound: bool
    within_cap: bool
    promised: bool = False


def not_so(seen: Seen) -> Iterator[str]:
    """Yield each claim that did not come true."""
    held: dict[str, object] = msgspec.structs.asdict(seen)
    yield from (words for name, words in CLAIMS.items() if not held[name])
