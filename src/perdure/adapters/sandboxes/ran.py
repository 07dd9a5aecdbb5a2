"""What came of a command."""

from collections.abc import Callable
from typing import NamedTuple

from perdure.checkpoint.inspection import Level

Hear = Callable[[bytes], None]
"""Takes output piece by piece, as it comes."""


class Ran(NamedTuple):
    """A command that has ended, with nothing of it left running."""

    exit: int | None
    """as a shell reports it; None if it was ended from here"""
    output: bytes
    """standard output and standard error as they came, within a bound"""
    cut: int
    """bytes missing in the middle of ``output``"""
    seconds: float
    timed_out: bool
    refused: tuple[str, ...] = ()
    """paths that it may not change, or that somebody else changed: then none of its changes was made"""
    why: str = ""
    """why they were refused"""
    left: tuple[str, ...] = ()
    """programs that it had left running in the background, and that were ended with it"""
    level: Level = "L0"
    """L1 if its changes were held back and put into the workspace together"""
