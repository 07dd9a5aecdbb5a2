"""The simulation of fleets agrees with closed forms and with what was measured; broken ones are caught by the first."""

import copy

import msgspec
import pytest

from benchmarks.scale.plan import NEAR, fitted
from benchmarks.scale.sizing.engine import Desk, Disk, Line, Then
from benchmarks.scale.sizing.fleet import Costs, Wish, per_run, simulated
from benchmarks.scale.sizing.forms import disagreements, erlang_wait
from benchmarks.scale.sizing.measured import Inputs, load
from benchmarks.scale.sizing.page import bars, table


class Generous(Desk):
    """One server more than was said."""

    def __init__(self, line: Line, servers: float) -> None:
        super().__init__(line, servers + 1)


class Queueless(Desk):
    """Nobody ever waits."""

    def ask(self, seconds: float, then: Then) -> None:
        self._free += 1
        super().ask(seconds, then)


class Forgetful(Desk):
    """One in ten is served in no time."""

    def ask(self, seconds: float, then: Then) -> None:
        super().ask(0.0 if self.served % 10 == 0 else seconds, then)


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    return load()


def test_queues_agree_with_closed_forms(inputs: Inputs):
    assert list(disagreements(inputs)) == []


@pytest.mark.parametrize("broken", [Generous, Queueless, Forgetful])
def test_a_broken_simulation_is_caught(inputs: Inputs, broken: type[Desk]):
    assert next(disagreements(inputs, broken), None) is not None


def test_erlang_s_formula_is_that_of_the_books():
    # M/M/1: load/(1-load); M/M/2 at half load: a third.
    assert erlang_wait(0.5, 1.0, 1) == pytest.approx(1.0)
    assert erlang_wait(1.0, 1.0, 2) == pytest.approx(1 / 3)


def test_one_and_four_workers_are_as_they_were_measured(inputs: Inputs):
    found = list(fitted(inputs))
    assert [workers for workers, _, _ in found] == [1, 4]
    for workers, seen, simulated_ in found:
        assert simulated_ == pytest.approx(seen, rel=NEAR), workers


def test_the_same_seed_tells_the_same_story_and_another_one_a_like_one(inputs: Inputs):
    wish = Wish(
        8, 2, 16, seconds=40.0, deaths_per_worker_hour=30.0, failovers=1, failover_seconds=5.0, outages=1
    )
    first = simulated(wish, inputs)
    assert simulated(wish, inputs) == first
    other = simulated(wish._replace(seed=2), inputs)
    assert other.turns != first.turns or other.turn_ms_p50 != first.turn_ms_p50
    assert other.turns_per_s == pytest.approx(first.turns_per_s, rel=0.2)


def test_deaths_and_failovers_cost_what_they_take(inputs: Inputs):
    calm = simulated(Wish(4, 1, 16, seconds=120.0), inputs)
    dying = simulated(Wish(4, 1, 16, seconds=120.0, deaths_per_worker_hour=60.0), inputs)
    assert dying.deaths >= 3
    # Each death costs its runs the takeover, and the question to the model that was under way.
    lost = dying.deaths * 16 * inputs.takeover_seconds / (4 * 16 * 120.0)
    assert dying.undriven_share == pytest.approx(lost, rel=0.5)
    assert dying.turns_per_s < calm.turns_per_s
    failed = simulated(Wish(4, 1, 16, seconds=120.0, failovers=1, failover_seconds=12.0), inputs)
    share = failed.turns_per_s / calm.turns_per_s
    assert 1 - 12.0 / 120.0 - 0.03 < share < 1 - 12.0 / 120.0 + 2 * inputs.think_seconds / 120.0 + 0.01


def test_a_run_that_has_lost_its_worker_is_never_lost(inputs: Inputs):
    wish = Wish(3, 1, 8, seconds=300.0, deaths_per_worker_hour=120.0, think_seconds=0.5)
    found = simulated(wish, inputs)
    assert found.deaths > 10
    assert per_run(found) > 0.8 / (0.5 + 2 * inputs.takeover_seconds)


def test_a_shard_is_the_limit_of_many_workers_and_another_lifts_it(inputs: Inputs):
    # Workers that ask for nothing while their runs think: else they are the limit, on every shard.
    inputs = msgspec.structs.replace(inputs, worker_server_ms_per_s=0.0)
    calm = Wish(1, 1, 32, seconds=8.0, shard_cores=1)
    one, many, parted = (
        simulated(calm._replace(workers=workers, shards=shards), inputs)
        for workers, shards in ((1, 1), (200, 1), (200, 8))
    )
    assert per_run(many) < 0.9 * per_run(one)
    assert many.shard_busy > 0.95
    assert parted.turns_per_s > 1.1 * many.turns_per_s
    assert len(table([one, many]).splitlines()) == 4
    assert "200 workers" in bars([many])


def test_a_disk_syncs_once_for_all_that_wait():
    line = Line(1)
    disk, done = Disk(line, 1.0), list[float]()
    for at in (0.0, 0.1, 0.2, 0.3):
        line.after(at, lambda: disk.ask(lambda: done.append(line.now)))
    line.run(10.0)
    assert disk.syncs == 2
    assert done == [1.0, 2.0, 2.0, 2.0]


def test_costs_come_from_two_measurements(inputs: Inputs):
    made = msgspec.structs.replace(
        copy.copy(inputs),
        server_ms_per_turn=2.2,
        server_ms_per_turn_grouped=0.4,
        batches_per_group=10.0,
    )
    costs = Costs.of(made)
    assert costs.group + costs.batch == pytest.approx(0.0011)
    assert costs.group / 10 + costs.batch == pytest.approx(0.0002)
