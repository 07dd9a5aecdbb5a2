"""Which programs live below another, also where they move while one looks."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from perdure.adapters.sandboxes.images.members import below


@pytest.fixture
def program() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as started:
        yield started.pid
        started.kill()


def test_a_program_is_seen_that_moved_to_another_parent_behind_the_one_who_looks(program: int):
    """Its parent ends after the first program's children were read, and before its own are."""
    dead, moved = 2**22 + 1, False

    def listed(parent: int) -> list[int]:
        nonlocal moved
        if parent == dead:
            moved = True
            return []
        if parent != os.getpid():
            return []
        return [dead, program] if moved else [dead]

    assert below(os.getpid(), listed) == [program]


def test_what_never_holds_still_is_looked_at_a_bounded_number_of_times(program: int):
    looks = 0

    def listed(parent: int) -> list[int]:
        nonlocal looks
        if parent != os.getpid():
            return []
        looks += 1
        return [program, 2**22 + looks]

    assert below(os.getpid(), listed) == [program]
    assert looks < 20


def test_what_the_kernel_lists_is_seen(program: int):
    assert program in below(os.getpid())
