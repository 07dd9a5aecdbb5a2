"""Ages in doublings: 1, 2, 4, 8 requests are one doubling apart. Whole numbers, the same on every machine."""

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
