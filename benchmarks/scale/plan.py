"""`python -m benchmarks.scale.plan`: simulate fleets of 1 to 1000 workers from what was measured; `--measure` measures anew.

`--measure-worker` measures anew only what a worker takes whose runs all think.
"""

import sys
from collections.abc import Iterator
from typing import Final

from benchmarks.scale.sizing.fleet import Outcome, Wish, per_run, simulated
from benchmarks.scale.sizing.measured import Inputs, load
from benchmarks.scale.sizing.page import bars, table

SIZES: Final = ((1, 1, 32), (10, 1, 32), (100, 1, 32), (100, 1, 320), (1000, 1, 32), (1000, 4, 32))
"""workers, shards, and runs of each worker"""
SECONDS: Final = {1: 60.0, 10: 60.0, 100: 20.0, 1000: 12.0}
NEAR: Final = 0.1
"""So near the simulation has to be to what was measured."""


def plans(inputs: Inputs) -> Iterator[Outcome]:
    """Yield fleets in which nothing goes wrong."""
    for workers, shards, runs in SIZES:
        yield simulated(Wish(workers, shards, runs, seconds=SECONDS[workers]), inputs)


def troubles(inputs: Inputs) -> Iterator[Outcome]:
    """Yield the same where workers die (a hundred times as often as machines do), a primary is lost, and the bucket is away."""
    for workers, shards, runs in SIZES[:5]:
        seconds = 60.0 if workers < 100 else 20.0
        yield simulated(
            Wish(
                workers,
                shards,
                runs,
                seconds=seconds,
                concurrency=2 * runs,
                deaths_per_worker_hour=6.0,
                failovers=1,
                failover_seconds=5.0,
                outages=1,
            ),
            inputs,
        )


def fitted(inputs: Inputs) -> Iterator[tuple[int, float, float]]:
    """Yield (workers, measured, simulated) turns a second of each run, for the fleets that were measured."""
    for seen in inputs.seen:
        wish = Wish(
            seen.workers,
            1,
            seen.runs // seen.workers,
            seconds=120.0,
            shard_cores=2,
            round_trip_ms=0.1,
        )
        turn = 1 / per_run(simulated(wish, inputs))
        whole = turn * (inputs.turns_per_run + 1) + inputs.start_seconds
        yield seen.workers, seen.turns_per_s_per_run, inputs.turns_per_run / whole


def main() -> None:
    """Print the plan."""
    if "--measure" in sys.argv[1:]:
        from benchmarks.scale.sizing.measuring import measure

        measure()
    if "--measure-worker" in sys.argv[1:]:
        from benchmarks.scale.sizing.measuring import measure_worker

        measure_worker()
    inputs = load()
    print(f"From {inputs.date}, {inputs.machine}. Models think for {inputs.think_seconds:.0f} s.\n")
    for workers, seen, simulated_ in fitted(inputs):
        print(f"{workers} measured: {seen:.3f} turns/s of each run; simulated: {simulated_:.3f}")
    calm = list(plans(inputs))
    print(
        f"\n{table(calm)}\n\n{bars(calm)}\n\nWith deaths, a failover and a bucket that is away:\n\n{table(list(troubles(inputs)))}"
    )


if __name__ == "__main__":
    main()
