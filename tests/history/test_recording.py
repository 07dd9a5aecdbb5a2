"""Clients that are killed, stopped and cut off see nothing but what one writer per run explains."""

from pathlib import Path

import pytest

from benchmarks.scale.history.broken import BROKEN
from benchmarks.scale.history.recording import Wish, record

ROUNDS_MAX = 10
"""A broken store is caught as soon as one client meets what it breaks; so often it is given the chance."""


def test_killed_and_stopped_clients_of_one_file_agree_on_one_history(tmp_path: Path):
    found = record(str(tmp_path / "store"), tmp_path, Wish(clients=4, seconds=2, seed=4, calls_max=400))
    assert found.verdict.ok, found.verdict
    assert found.verdict.calls > 100
    assert sum(found.faults.values()) > 0


@pytest.mark.parametrize("broken", sorted(set(BROKEN) - {""}))
def test_a_store_that_breaks_a_promise_is_caught(tmp_path: Path, broken: str):
    for seed in range(ROUNDS_MAX):
        place = tmp_path / str(seed)
        place.mkdir()
        wish = Wish(clients=2, seconds=20, seed=seed, broken=broken, calls_max=150, faults=False)
        if record(str(place / "store"), place, wish).verdict.wrong:
            return
    pytest.fail(f"{broken} was not caught in {ROUNDS_MAX} rounds")


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(20))
def test_many_histories_on_one_file_are_explained(tmp_path: Path, seed: int):
    found = record(str(tmp_path / "store"), tmp_path, Wish(clients=5, seconds=5, seed=seed))
    assert found.verdict.ok, found.verdict
