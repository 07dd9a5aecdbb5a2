"""Shards, workers and runs as queues: what each turn asks of a worker's core, a shard's cores and a shard's disk.

A run thinks, its worker decides, the promise is committed, the tool runs (here: at once), the outcome is committed, and it
thinks again. A worker is one core, since Python holds one at a time, and has one commit on its way to a shard; batches that
come meanwhile share the next. What is left out: the network between regions, garbage, people, and other users of the servers.

Invariant: a run is thinking, being decided, being committed, or without a worker. It is never in two of these.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from benchmarks.scale.sizing.engine import Desk, Disk, Line, Then
from benchmarks.scale.sizing.measured import Inputs

GROUP_MAX: Final = 128
SPREAD: Final = 0.1
"""A model's time to think varies by so much."""
IDLE_ROOM: Final = 0.05
"""What is left of a shard at least: beyond it the fleet is too large whatever it does."""
SPILL_FACTOR: Final = 4.0
"""While the bucket is away content goes into PostgreSQL, in rows and in its log. Assumed, not measured: so much CPU for such a turn."""


class Wish(NamedTuple):
    """A fleet to be simulated."""

    workers: int
    shards: int
    runs_per_worker: int
    seconds: float = 60.0
    shard_cores: int = 16
    concurrency: int = 64
    """places of a worker: runs of dead ones find room while there is some"""
    think_seconds: float | None = None
    round_trip_ms: float = 0.5
    deaths_per_worker_hour: float = 0.0
    failovers: int = 0
    """primaries that are lost, spread over the time"""
    failover_seconds: float = 20.0
    outages: int = 0
    outage_seconds: float = 10.0
    large_share: float = 0.05
    """turns whose content goes to the bucket"""
    seed: int = 1


class Outcome(NamedTuple):
    """What came of it."""

    wish: Wish
    turns: int
    turns_per_s: float
    turn_ms_p50: float
    """beyond thinking"""
    turn_ms_p99: float
    worker_busy: float
    """of a worker's core, in the mean"""
    shard_busy: float
    """of a shard's cores, the busiest shard"""
    idle_server_busy: float
    """of that, what workers ask for whether or not they have work"""
    batches_per_group: float
    connections_per_shard: float
    wal_mb_per_s: float
    undriven_share: float
    """of all runs' time, what they had no worker"""
    deaths: int
    worker_demand_ms: float
    """CPU of a worker that each turn took, as it was spent"""
    shard_demand_ms: float


class Costs(NamedTuple):
    """Seconds of CPU, from the measurement."""

    decide: float
    group: float
    batch: float

    @classmethod
    def of(cls, inputs: Inputs) -> "Costs":
        """A commit costs something, and each batch in it something more: two measurements tell them apart."""
        alone = inputs.server_ms_per_turn / inputs.commits_per_turn / 1000
        grouped = inputs.server_ms_per_turn_grouped / inputs.commits_per_turn / 1000
        size = max(inputs.batches_per_group, 1.001)
        batch = min(max((grouped - alone / size) / (1 - 1 / size), 0.0), alone)
        return cls(inputs.client_ms_per_turn / inputs.commits_per_turn / 1000, alone - batch, batch)


class Shard:
    """One database server."""

    def __init__(self, line: Line, wish: Wish, inputs: Inputs) -> None:
        """Nothing is under way yet."""
        self.cores: Desk = Desk(line, wish.shard_cores)
        self.disk: Disk = Disk(line, inputs.sync_ms / 1000)
        self.bucket_back_at: float = 0.0


class Member:
    """One worker."""

    def __init__(self, line: Line, fleet: "Fleet", number: int) -> None:
        """It serves the shards in turn, as tenants are spread."""
        self._line: Line = line
        self._fleet: Fleet = fleet
        self.core: Desk = Desk(line, 1)
        self.life: int = 0
        self.dead: bool = False
        self.runs: set[int] = set()
        self._waiting: dict[int, list[Then]] = {}
        self._flying: set[int] = set()
        self.number: int = number

    def commit(self, shard: int, then: Then) -> None:
        """``then`` happens when a batch is durable in that shard."""
        self._waiting.setdefault(shard, []).append(then)
        if shard not in self._flying:
            self._fly(shard)

    def _fly(self, shard: int) -> None:
        waiting = self._waiting.get(shard)
        if not waiting:
            return
        taken, self._waiting[shard] = waiting[:GROUP_MAX], waiting[GROUP_MAX:]
        self._flying.add(shard)
        self._fleet.commit(shard, len(taken), lambda: self._landed(shard, taken))

    def _landed(self, shard: int, taken: list[Then]) -> None:
        self._flying.discard(shard)
        for then in taken:
            then()
        self._fly(shard)


class Fleet:
    """All of it."""

    def __init__(self, wish: Wish, inputs: Inputs, *, desk: Callable[[Line, float], Desk] = Desk) -> None:
        """Begin every run somewhere in its thinking; ``desk`` is another where a broken one is to be caught."""
        line = self.line = Line(wish.seed)
        self._wish: Wish = wish
        self._inputs: Inputs = inputs
        self._costs: Costs = Costs.of(inputs)
        self._idle: float = wish.workers * inputs.worker_server_ms_per_s / 1000 / wish.shard_cores
        """of each shard's cores, what workers ask for whether or not they have work: every worker serves every shard"""
        self._think: float = inputs.think_seconds if wish.think_seconds is None else wish.think_seconds
        self.shards: list[Shard] = [Shard(line, wish, inputs) for _ in range(wish.shards)]
        self.members: list[Member] = [Member(line, self, number) for number in range(wish.workers)]
        for shard in self.shards:
            shard.cores = desk(line, wish.shard_cores)
        self._waits: list[tuple[int, float]] = []
        self._took: list[float] = []
        self._groups: int = 0
        self._batches: int = 0
        self._undriven: float = 0.0
        self._deaths: int = 0
        for run in range(wish.workers * wish.runs_per_worker):
            member = self.members[run % wish.workers]
            member.runs.add(run)
            line.after(line.chance.random() * self._think, self._turn(run, member))
        self._plan_failures()

    # -- a turn --------------------------------------------------------------------------------------

    def _turn(self, run: int, member: Member) -> Then:
        """What happens when the model has answered."""
        life = member.life

        def lives() -> bool:
            return member.life == life and not member.dead

        def answered() -> None:
            if lives():
                began = self.line.now
                self._decided(
                    run, member, lambda: self._decided(run, member, lambda: self._ended(run, member, began))
                )

        return answered

    def _decided(self, run: int, member: Member, then: Then) -> None:
        life, shard = member.life, run % len(self.shards)

        def durable() -> None:
            if member.life == life and not member.dead:
                then()

        member.core.ask(self._costs.decide, lambda: member.commit(shard, durable))

    def _ended(self, run: int, member: Member, began: float) -> None:
        self._took.append(self.line.now - began)
        self.line.after(
            self._think * self.line.chance.uniform(1 - SPREAD, 1 + SPREAD), self._turn(run, member)
        )

    def commit(self, shard: int, batches: int, then: Then) -> None:
        """A group commit: there, CPU, the disk, and back."""
        at = self.shards[shard]
        self._groups += 1
        self._batches += batches
        trip = self._wish.round_trip_ms / 1000
        cpu = self._costs.group + batches * self._costs.batch
        if self.line.now < at.bucket_back_at:
            cpu *= 1 + self._wish.large_share * (SPILL_FACTOR - 1)
        cpu /= max(1 - self._idle, IDLE_ROOM)
        # Two round trips: locks and reads, then writes and the commit.
        self.line.after(
            trip,
            lambda: at.cores.ask(cpu, lambda: at.disk.ask(lambda: self.line.after(trip, then))),
        )

    # -- what goes wrong -----------------------------------------------------------------------------

    def _plan_failures(self) -> None:
        wish, chance = self._wish, self.line.chance
        for _ in range(wish.failovers):
            at = self.shards[chance.randrange(wish.shards)]
            self.line.after(
                chance.random() * wish.seconds, lambda at=at: at.cores.hold(wish.failover_seconds)
            )
        for _ in range(wish.outages):
            self.line.after(chance.random() * wish.seconds, self._lose_bucket)
        if wish.deaths_per_worker_hour:
            for member in self.members:
                self._plan_death(member)

    def _plan_death(self, member: Member) -> None:
        rate = self._wish.deaths_per_worker_hour / 3600
        self.line.after(self.line.chance.expovariate(rate), lambda: self._die(member))

    def _lose_bucket(self) -> None:
        for shard in self.shards:
            shard.bucket_back_at = self.line.now + self._wish.outage_seconds

    def _die(self, member: Member) -> None:
        self._deaths += 1
        member.dead = True
        member.life += 1
        self._waits += [(run, self.line.now) for run in sorted(member.runs)]
        member.runs.clear()
        self.line.after(self._inputs.takeover_seconds, self._place)
        self.line.after(self._inputs.cold_start_seconds, lambda: self._rise(member))

    def _rise(self, member: Member) -> None:
        member.dead = False
        self._plan_death(member)
        self._place()

    def _place(self) -> None:
        """Runs without a worker go to those that have room and heard of the death."""
        left: list[tuple[int, float]] = []
        living = sorted((m for m in self.members if not m.dead), key=lambda m: len(m.runs))
        at = 0
        for run, since in self._waits:
            heard = self.line.now - since >= self._inputs.takeover_seconds
            if not heard or not living or len(living[at % len(living)].runs) >= self._wish.concurrency:
                left.append((run, since))
                continue
            member = living[at % len(living)]
            at += 1
            self._undriven += self.line.now - since
            member.runs.add(run)
            # The question to the model was lost with its worker, and is asked again.
            self.line.after(self._think, self._turn(run, member))
        self._waits = left

    # -- what came of it -----------------------------------------------------------------------------

    def outcome(self) -> Outcome:
        """Let it run, and return what came of it."""
        wish, inputs = self._wish, self._inputs
        self.line.run(wish.seconds)
        took, turns = sorted(self._took), len(self._took)
        idle = self._idle
        left = max(1 - idle, IDLE_ROOM)
        busiest = max(each.cores.busy_seconds for each in self.shards) / wish.seconds / wish.shard_cores
        worked = sum(each.core.busy_seconds for each in self.members)
        shared = sum(each.cores.busy_seconds for each in self.shards)
        runs = wish.workers * wish.runs_per_worker
        undriven = self._undriven + sum(self.line.now - since for _, since in self._waits)
        return Outcome(
            wish,
            turns,
            turns / wish.seconds,
            _at(took, 0.50) * 1000,
            _at(took, 0.99) * 1000,
            worked / wish.seconds / wish.workers,
            busiest * left + idle,
            idle,
            self._batches / max(self._groups, 1),
            wish.workers * inputs.connections_per_worker,
            turns / wish.seconds * inputs.wal_bytes_per_turn / 1e6,
            undriven / (runs * wish.seconds),
            self._deaths,
            worked / max(turns, 1) * 1000,
            shared * left / max(turns, 1) * 1000,
        )


def simulated(wish: Wish, inputs: Inputs) -> Outcome:
    """Return what comes of the fleet that is wished for."""
    return Fleet(wish, inputs).outcome()


def per_run(outcome: Outcome) -> float:
    """Turns a second of each run."""
    return outcome.turns_per_s / (outcome.wish.workers * outcome.wish.runs_per_worker)


def _at(ordered: list[float], share: float) -> float:
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0
