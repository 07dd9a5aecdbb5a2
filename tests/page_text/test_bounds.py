"""What a preview costs is bounded by what it looks at, whatever the text is made to be.

No clock is read: what patterns are given is counted, and hostile texts are previewed by a process that its own
processor time ends.
"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perdure.page.outlines.sheet import LINE_CHARACTERS, sheet_of
from perdure.values.limits import PREVIEW_SCAN_CHARACTERS_MAX

CPU_SECONDS = 20
"""For all hostile texts together, which take about five: a pattern that goes back and forth takes hours."""


@pytest.mark.parametrize("unit", ["x", "\n", "line\n", "a,b\n", "\r", "x" * 399 + "\n", "\u20ac\r\n"])
def test_of_a_huge_text_a_bounded_part_is_looked_at(unit: str):
    text = unit * (5_000_000 // len(unit))
    sheet = sheet_of(text, "")
    assert sum(len(line.text) + 1 for line in sheet.lines) <= PREVIEW_SCAN_CHARACTERS_MAX + 2
    assert len(sheet.lines) <= 40_000
    assert max(len(line.text) for line in sheet.lines) <= LINE_CHARACTERS
    assert sheet.total == text.count("\n") + (not text.endswith("\n"))


@given(st.lists(st.text("ab \t\u00e9", max_size=40), min_size=1, max_size=50), st.integers(1, 2000))
def test_lines_have_the_numbers_of_the_text_also_behind_what_is_not_looked_at(lines: list[str], times: int):
    every = lines * times
    text = "\n".join(every) + "\n"
    for line in sheet_of(text, "").lines:
        assert every[line.number - 1].startswith(line.text)


PROGRAM = Path(__file__).parent / "hostile.py"


def ended(*arguments: str) -> int:
    """Return how the program of hostile texts ended."""
    return subprocess.run([sys.executable, str(PROGRAM), *arguments], check=False).returncode


def test_hostile_texts_take_no_more_than_they_are_long():
    assert ended(str(CPU_SECONDS)) == 0


def test_a_pattern_that_goes_back_and_forth_is_caught():
    assert ended("1", "bite") in (-signal.SIGXCPU, -signal.SIGKILL)
