"""References as models make them up: of shapes that nobody foresaw, drawn anew for each run."""

import json
import random
from collections.abc import Callable
from typing import Final

SYLLABLES: Final = ("ka", "lo", "mi", "nu", "ta", "re", "so", "vi")
PIECES: Final = "♔♕♖♗♘♙♚♛♜♝♞♟"
NAMES: Final = ("Maibaum", "Ó Súilleabháin", "Nguyễn", "d'Artagnan", "Σωκράτης", "王小明")


def _roman(number: int) -> str:
    signs = (
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    )
    told = ""
    for value, sign in signs:
        told += sign * (number // value)
        number %= value
    return told


SHAPES: Final[tuple[Callable[[random.Random], str], ...]] = (
    lambda draw: "".join(draw.choice(SYLLABLES) for _ in range(9)),
    lambda draw: f"letter {_roman(draw.randint(1, 399))} to {draw.choice(NAMES)}",
    lambda draw: "".join(draw.choice(PIECES) for _ in range(7)),
    lambda draw: json.dumps({"v": draw.randint(1, 9), "r": [draw.random(), None, draw.choice(NAMES)]}),
    lambda draw: f"{draw.randint(1, 28):02d}·{draw.randint(1, 12):02d}\u2009,{draw.randint(20, 29)} at half past {draw.randint(1, 12)}",
    lambda draw: f"{draw.choice('abcdefgh')}{draw.randint(1, 8)}x{draw.choice('abcdefgh')}{draw.randint(1, 8)}+ {draw.getrandbits(40):o}",
    lambda draw: f"{draw.choice(NAMES)}/{draw.choice(NAMES)}?{draw.getrandbits(64):b}",
)  # fmt: skip


def drawn(draw: random.Random, count: int) -> tuple[str, ...]:
    """Return as many references, no two alike."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[draw.choice(SHAPES)(draw)] = None
    return tuple(found)
