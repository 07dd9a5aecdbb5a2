"""What goes wrong, on script."""

from typing import Final, Literal

import msgspec

TroubleKind = Literal["429", "529", "500", "503", "abort", "slow", "broken", "overloaded"]
KINDS: Final[tuple[TroubleKind, ...]] = ("429", "529", "500", "503", "abort", "slow", "broken", "overloaded")
STATUS: Final = {"429": 429, "529": 529, "500": 500, "503": 503}
WORDS: Final = {
    "429": "This request would exceed your organization's rate limit.",
    "529": "Overloaded",
    "500": "Internal server error",
    "503": "The server is currently overloaded. Please try again later.",
}


class Trouble(msgspec.Struct, frozen=True):
    """Something that goes wrong with one answer; the request that comes after it is answered."""

    kind: TroubleKind
    retry_after: str = "1"
    """seconds that a 429 names; empty: none"""
    events: int = 6
    """events of a stream that arrive before it breaks"""
    pause_ms: int = 20
    """between the events of a slow stream"""


def trouble_of(words: str) -> tuple[int, Trouble]:
    """Return which answer of the main loop goes wrong, and how: ``3:429`` is the third. Raises ``ValueError``."""
    number, _, kind = words.partition(":")
    for known in KINDS:
        if kind == known:
            return int(number), Trouble(kind=known)
    raise ValueError(f"{kind} is none of {', '.join(KINDS)}")
