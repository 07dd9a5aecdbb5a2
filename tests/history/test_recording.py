"""Clients that are killed, stopped and cut off see nothing but what one writer per run explains."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.scale.history.broken import BROKEN
from benchmarks.scale.history.recording import Recorded, Wish, cuts_of, record
from tests.servers.postgres import UNSYNCED, Server, programs

ROUNDS_MAX = 10
"""A broken store is caught as soon as one client meets what it breaks; so often it is given the chance."""

CALLS_MIN = 100
"""in the histories of a test together"""

CAREFUL = sorted(set(BROKEN) - {""})
without_server = pytest.mark.skipif(programs() is None, reason="there is no PostgreSQL to start")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("pg") / "server", UNSYNCED) as running:
        yield running


def broken_once(location: str, place: Path, broken: str, seed: int) -> Recorded:
    place.mkdir()
    wish = Wish(clients=2, seconds=20, seed=seed, broken=broken, calls_max=150, faults=False)
    return record(location, place, wish)


def agreed(record_one: Callable[[int], Recorded]) -> None:
    """Record until so much was seen as says something, however slow the machine is; each history has to be one."""
    calls = faults = 0
    for turn in range(ROUNDS_MAX):
        found = record_one(turn)
        assert found.verdict.ok, found.verdict
        calls += found.verdict.calls
        faults += sum(found.faults.values())
        if calls > CALLS_MIN:
            break
    assert calls > CALLS_MIN
    assert faults > 0


def test_killed_and_stopped_clients_of_one_file_agree_on_one_history(tmp_path: Path):
    def record_one(turn: int) -> Recorded:
        place = tmp_path / f"{turn}"
        place.mkdir()
        return record(str(place / "store"), place, Wish(clients=4, seconds=2, seed=4 + turn, calls_max=400))

    agreed(record_one)


@without_server
def test_clients_that_a_server_cuts_off_agree_on_one_history(tmp_path: Path, server: Server):
    def record_one(turn: int) -> Recorded:
        place = tmp_path / f"{turn}"
        place.mkdir()
        wish = Wish(clients=4, seconds=4, seed=2 + turn, calls_max=600)
        return record(server.database(f"whole-{turn}"), place, wish, cuts_of(server))

    agreed(record_one)


@pytest.mark.parametrize("broken", CAREFUL)
def test_a_store_that_breaks_a_promise_is_caught(tmp_path: Path, broken: str):
    caught = (
        broken_once(str(tmp_path / f"store-{seed}"), tmp_path / str(seed), broken, seed).verdict.wrong
        for seed in range(ROUNDS_MAX)
    )
    assert any(caught), f"{broken} was not caught in {ROUNDS_MAX} rounds"


@without_server
@pytest.mark.parametrize("broken", ["fencing-off", "append-lost"])
def test_a_store_on_a_server_that_breaks_a_promise_is_caught(tmp_path: Path, server: Server, broken: str):
    caught = (
        broken_once(server.database(f"{broken}-{seed}"), tmp_path / str(seed), broken, seed).verdict.wrong
        for seed in range(ROUNDS_MAX)
    )
    assert any(caught), f"{broken} was not caught in {ROUNDS_MAX} rounds"


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(20))
def test_many_histories_on_one_file_are_explained(tmp_path: Path, seed: int):
    found = record(str(tmp_path / "store"), tmp_path, Wish(clients=5, seconds=5, seed=seed))
    assert found.verdict.ok, found.verdict


@pytest.mark.soak
@without_server
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(20))
def test_many_histories_on_a_server_are_explained(tmp_path: Path, server: Server, seed: int):
    wish = Wish(clients=5, seconds=10, seed=seed)
    found = record(server.database(f"soak-{seed}"), tmp_path, wish, cuts_of(server))
    assert found.verdict.ok, found.verdict
