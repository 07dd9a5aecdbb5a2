"""What a store should remember, in plain lists and dicts. The truth that every store is compared with."""

from dataclasses import dataclass, field

from perdure.log.envelope import Stored
from perdure.log.port import Batch


@dataclass
class Run:
    """A run as the model knows it."""

    events: list[Stored]
    forked_at: int = 0
    epoch: int = 0
    token: str | None = None
    wrote: int = 0
    ended: dict[int, int] = field(default_factory=dict[int, int])
    """epochs known to have ended, and the epoch that was told (0 for nobody yet)"""
    open: dict[int, str] = field(default_factory=dict[int, str])
    """earlier epochs that may be alive, and their tokens"""
    waiting: list[str] = field(default_factory=list[str])
    posted: set[str] = field(default_factory=set[str])
    status: str = "running"

    @property
    def head(self) -> bytes:
        return self.events[-1].digest if self.events else bytes(32)


@dataclass
class World:
    """Everything the store should remember."""

    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    claims: dict[str, tuple[str, str, str | None]] = field(
        default_factory=dict[str, tuple[str, str, str | None]]
    )
    """key -> stem, run, outcome"""
    counters: dict[str, int] = field(default_factory=dict[str, int])
    blobs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    living: set[str] = field(default_factory=set[str])
    """tokens of this process that have not ended"""

    def acquire(self, name: str, token: str, *, take_over: bool) -> tuple[int, list[int], list[int]] | None:
        """Return epoch, dead and alive of the new lease, or None if another writer is alive."""
        run = self.runs[name]
        if run.token is not None and run.token in self.living and not take_over:
            return None
        run.ended = {epoch: told for epoch, told in run.ended.items() if not told or told > run.wrote}
        if run.epoch and run.token is None and run.epoch not in run.open:
            run.ended[run.epoch] = 0
        elif run.epoch and run.token is not None:
            run.open[run.epoch] = run.token
        for epoch, holder in list(run.open.items()):
            if holder not in self.living:
                run.ended[epoch] = 0
                del run.open[epoch]
        run.epoch += 1
        run.token = token
        self.living.add(token)
        run.ended = dict.fromkeys(run.ended, run.epoch)
        return run.epoch, sorted(run.ended), sorted(run.open)

    def release(self, name: str, epoch: int, *, ended: bool) -> None:
        run = self.runs[name]
        if epoch == run.epoch:
            if not ended and run.token is not None:
                run.open[epoch] = run.token
            run.token = None
        if ended and epoch in run.open:
            del run.open[epoch]
            run.ended[epoch] = 0

    def verdict(self, batch: Batch) -> str:
        """Return 'written', 'fenced', 'conflict' or 'remembered' for ``batch``."""
        run = self.runs[batch.run]
        if run.token is None or run.epoch != batch.epoch:
            return "fenced"
        if len(run.events) != batch.expected:
            return "conflict"
        if any(post not in run.waiting for post in batch.consumed):
            return "conflict"
        freed = {end.key for end in batch.closed if end.outcome in ("failed", "compensated")}
        for opened in batch.opened:
            for key, (stem, _, outcome) in self.claims.items():
                blocks = outcome not in ("failed", "compensated") and key not in freed
                if key == opened.key or (stem == opened.stem and blocks):
                    return "remembered"
        for move in batch.counters:
            if move.amount > 0 and self.counters.get(move.counter, 0) + move.amount > move.limit:
                return "remembered"
        return "written"

    def write(self, batch: Batch) -> None:
        run = self.runs[batch.run]
        run.events += batch.events
        if batch.events:
            run.wrote = batch.epoch
        for opened in batch.opened:
            self.claims[opened.key] = (opened.stem, batch.run, None)
        for closed in batch.closed:
            stem, owner, _ = self.claims[closed.key]
            self.claims[closed.key] = (stem, owner, closed.outcome)
        for move in batch.counters:
            self.counters[move.counter] = self.counters.get(move.counter, 0) + move.amount
        for post in batch.consumed:
            run.waiting.remove(post)
        self.blobs.update(batch.blobs)
        run.status = batch.status or run.status
