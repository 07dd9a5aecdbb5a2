"""Ages in doublings, and how many pages are needed in each. Whole numbers, the same on every machine.

The law: with each doubling of a page's age in requests (1, 2, 4, 8), the same share of those that were not needed so
far is needed. Measured on 659 results of 1,000 tokens and more in 26 recorded sessions of Claude Code and Codex, with
loose needs (the same call again, a quotation, a call about the same path), per doubling from an age of 1 to 128: of
files that were opened 0.25 0.14 0.16 0.15 0.24 0.21 0.14, of commands' outputs with Claude Code 0.11 0.07 0.13 0.08
0.10 0.06 0.27 and with Codex 0.06 0.16 0.13 0.08 0.04 0.08 0.05; of what searches found 0.02 over all. Memory has
long been known to work so (Anderson and Schooler, 1991).
"""

from typing import Final

DOUBLING: Final = 1000
"""One doubling, in the thousandths that ``doublings`` counts."""


def doublings(age: int) -> int:
    """Return how often 1 was doubled to reach ``age``, in thousandths; 0 up to an age of 1.

    Between powers of two a parabola stands in for the logarithm, at most 8 thousandths away from it.
    """
    if age <= 1:
        return 0
    power = age.bit_length() - 1
    part = ((age - (1 << power)) * DOUBLING) >> power
    return power * DOUBLING + part * (1346 * DOUBLING - 346 * part) // (DOUBLING * DOUBLING)


FILE_NEEDED: Final = 190
"""Thousandths of the files that are needed per doubling."""

OTHER_NEEDED: Final = 95
"""And of everything else: half as many, since a command is run for its answer and a file to be worked on."""


def is_file(about: str) -> bool:
    """Whether a result is about one path, and not about a command, a question or nothing."""
    return " " not in about and any(mark in about for mark in "/\\.")


def needed_prior(about: str) -> int:
    """Return how many thousandths of such pages are needed per doubling of their age."""
    return FILE_NEEDED if is_file(about) else OTHER_NEEDED
