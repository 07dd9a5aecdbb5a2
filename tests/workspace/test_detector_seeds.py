"""The detectors miss nothing that seeds draw, and scanners that are broken do."""

import pytest

from benchmarks.harness.detector import BROKEN, SCANNERS, scanned


@pytest.mark.parametrize("name", SCANNERS)
def test_nothing_drawn_is_missed(name: str):
    assert [found.first for seed in range(10) if (found := scanned(name, seed)).misses] == []


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_scanner_misses_something(name: str):
    assert sum(scanned(name, seed).misses for seed in range(10)) > 0
