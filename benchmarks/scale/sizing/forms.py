"""Closed forms that a simulation has to agree with, and what disagrees."""

from collections.abc import Callable, Iterator
from typing import Final

from benchmarks.scale.sizing.engine import Desk, Line
from benchmarks.scale.sizing.fleet import Fleet, Outcome, Wish
from benchmarks.scale.sizing.measured import Inputs

MakeDesk = Callable[[Line, float], Desk]
ARRIVALS: Final = 100_000
NEAR: Final = 0.08
"""So far a mean over that many may be off, with a seed that is fixed."""


def erlang_wait(rate: float, service: float, servers: int) -> float:
    """Mean time in the queue of M/M/c: Erlang's C."""
    load = rate * service
    blocked = 1.0
    for number in range(1, servers + 1):
        blocked = load * blocked / (number + load * blocked)
    waits = blocked / (1 - load / servers * (1 - blocked))
    return waits * service / (servers - load)


def measured_wait(rate: float, service: float, servers: int, make: MakeDesk = Desk, seed: int = 7) -> float:
    """The same, of a station of the simulation under chance arrivals."""
    line = Line(seed)
    desk = make(line, servers)

    def arrive() -> None:
        desk.ask(line.chance.expovariate(1 / service), lambda: None)
        line.after(line.chance.expovariate(rate), arrive)

    arrive()
    line.run(ARRIVALS / rate)
    return desk.waited_seconds / max(desk.served, 1)


def disagreements(inputs: Inputs, make: MakeDesk = Desk) -> Iterator[str]:
    """Yield each closed form that the simulation breaks."""
    for rate, service, servers in ((0.7, 1.0, 1), (3.2, 1.0, 4), (12.8, 1.0, 16)):
        want, got = erlang_wait(rate, service, servers), measured_wait(rate, service, servers, make)
        if abs(got - want) > NEAR * want:
            yield f"M/M/{servers} waits {got:.3f}, and should {want:.3f}"
    for workers, runs in ((4, 16), (4, 400)):
        wish = Wish(workers, 1, runs, shard_cores=1, seconds=60.0)
        yield from broken_laws(Fleet(wish, inputs, desk=make).outcome(), inputs)


def broken_laws(outcome: Outcome, inputs: Inputs) -> Iterator[str]:
    """Yield each law of queues that an outcome breaks."""
    wish = outcome.wish
    rate, think = outcome.turns_per_s, wish.think_seconds or inputs.think_seconds
    used = outcome.shard_busy - outcome.idle_server_busy
    demand = outcome.shard_demand_ms / 1000
    if abs(rate * demand / wish.shards / wish.shard_cores - used) > 0.02 and wish.shards == 1:
        yield f"utilisation is {used:.3f}, and the law says {rate * demand / wish.shard_cores:.3f}"
    if used > 1.001 or outcome.worker_busy > 1.001:
        yield f"more work was done than there is time: {used:.2f} of a shard, {outcome.worker_busy:.2f} of a worker"
    # The interactive response time law: runs = rate * (answer + think), with what is under way at the ends.
    runs = wish.workers * wish.runs_per_worker
    most = min(runs / think, wish.shards * wish.shard_cores / demand if demand else 1e9) * 1.1
    if rate > most:
        yield f"{rate:.0f} turns/s are more than {most:.0f}, the bound of any queue"
