"""What the store in memory remembers, and how one batch changes it.

Invariants:
- ``admitted`` looks and changes nothing; ``write`` changes and can't fail.
- A run's own events stand at ``forked_at + 1`` and on; its prefix is its parent's.
"""

from dataclasses import dataclass, field

from perdure.log.envelope import GENESIS, Stored, chain
from perdure.log.events import ClaimSeen, CounterSeen
from perdure.log.port import Batch, ClaimOpened, Holder, NewRun, Post, Remembered, RunRow
from perdure.values.digest import digest
from perdure.values.errors import BadInput, BadPosition, Broken, Conflict, Fenced, UnknownRun
from perdure.values.limits import BATCH_EVENTS_MAX, BLOB_BYTES_MAX

FREE = ("failed", "compensated")
"""Outcomes that free an identity; every other claim keeps it."""


@dataclass
class Past:
    """The writer of an earlier epoch; ``told`` is the epoch that was told of its end."""

    holder: Holder | None
    told: int | None = None


@dataclass
class Record:
    """One run."""

    new: NewRun
    prefix: bytes
    events: list[Stored] = field(default_factory=list[Stored])
    status: str = "running"
    wake: int | None = None
    epoch: int = 0
    holder: Holder | None = None
    wrote: int = 0
    """the last epoch that appended"""
    past: dict[int, Past] = field(default_factory=dict[int, Past])
    pending: dict[str, Post] = field(default_factory=dict[str, Post])
    posted: set[str] = field(default_factory=set[str])
    snapshots: dict[int, bytes] = field(default_factory=dict[int, bytes])

    @property
    def position(self) -> int:
        return self.new.forked_at + len(self.events)

    @property
    def head(self) -> bytes:
        return self.events[-1].digest if self.events else self.prefix

    def row(self) -> RunRow:
        new = self.new
        return RunRow(
            new.run,
            new.lineage,
            new.tenant,
            new.parent,
            new.forked_at,
            self.position,
            self.head,
            self.epoch,
            self.status,
            self.holder,
            self.wake,
            new.at,
        )


@dataclass
class Claim:
    """A claim and the scope in which its identity counts."""

    scope: str
    seen: ClaimSeen


@dataclass
class Shelf:
    """Everything that is remembered."""

    runs: dict[str, Record] = field(default_factory=dict[str, Record])
    claims: dict[str, Claim] = field(default_factory=dict[str, Claim])
    counters: dict[str, int] = field(default_factory=dict[str, int])
    blobs: dict[str, bytes] = field(default_factory=dict[str, bytes])
    chunks: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def record(self, run: str) -> Record:
        found = self.runs.get(run)
        if found is None:
            raise UnknownRun(f"there is no run {run!r} in this store")
        return found

    def digest_at(self, run: str, position: int) -> bytes:
        record = self.record(run)
        while position <= record.new.forked_at and record.new.parent is not None:
            record = self.record(record.new.parent)
        return record.events[position - record.new.forked_at - 1].digest if position else GENESIS


def make(shelf: Shelf, new: NewRun) -> bool:
    """The run is there; False if the name is taken. Raises ``BadPosition`` for a bad fork point."""
    if new.run in shelf.runs:
        return False
    prefix = GENESIS
    if new.parent is not None:
        parent = shelf.record(new.parent)
        if not 1 <= new.forked_at <= parent.position:
            raise BadPosition(f"{new.parent} has no position {new.forked_at} to fork at")
        prefix = shelf.digest_at(new.parent, new.forked_at)
    elif new.forked_at:
        raise BadPosition(f"{new.run} forks at {new.forked_at} of no parent")
    shelf.runs[new.run] = Record(new, prefix)
    return True


def admitted(shelf: Shelf, batch: Batch) -> Remembered | None:
    """Return None if ``batch`` may be written, or what is remembered against it; else raise."""
    record = shelf.record(batch.run)
    if record.holder is None or record.epoch != batch.epoch:
        raise Fenced(f"{batch.run}: epoch {batch.epoch} may not write; the run is at epoch {record.epoch}")
    if record.position != batch.expected:
        raise Conflict(f"{batch.run}: ends at {record.position}, not at {batch.expected}")
    _check_events(record, batch)
    gone = [post for post in batch.consumed if post not in record.pending]
    if gone or len(set(batch.consumed)) != len(batch.consumed):
        raise Conflict(f"{batch.run}: post {(gone or list(batch.consumed))[0]!r} doesn't wait in the inbox")
    for name, content in batch.blobs:
        check_blob(name, content)
    opened = {claim.key for claim in batch.opened}
    for closed in batch.closed:
        if closed.key not in shelf.claims and closed.key not in opened:
            raise Broken(f"{batch.run}: closes claim {closed.key}, which nobody opened")
    if len({claim.stem for claim in batch.opened}) != len(batch.opened):
        raise Broken(f"{batch.run}: one batch opens two claims of one stem")
    return _remembered(shelf, batch)


def _check_events(record: Record, batch: Batch) -> None:
    if len(batch.events) > BATCH_EVENTS_MAX:
        raise BadInput(f"{len(batch.events)} events; a batch holds at most {BATCH_EVENTS_MAX}")
    prev = record.head
    for position, stored in enumerate(batch.events, batch.expected + 1):
        if stored.run != batch.run or stored.position != position:
            raise Conflict(
                f"{batch.run}: event {stored.run} {stored.position} stands where {position} is due"
            )
        if chain(prev, stored.frame) != stored.digest:
            raise Conflict(f"{batch.run}: event {position} doesn't continue the chain")
        prev = stored.digest


def check_blob(name: str, content: bytes) -> None:
    """Raise ``BadInput`` if a blob is too large or isn't what its name says."""
    if len(content) > BLOB_BYTES_MAX:
        raise BadInput(f"blob {name}: {len(content)} bytes; a blob holds at most {BLOB_BYTES_MAX}")
    if digest(content) != name:
        raise BadInput(f"blob {name}: the digest of its content is {digest(content)}")


def _remembered(shelf: Shelf, batch: Batch) -> Remembered | None:
    claims: dict[str, ClaimSeen] = {}
    # What the same batch closes counts as closed: the next attempt may begin with the last one's failure.
    freed = {closed.key for closed in batch.closed if closed.outcome in FREE}
    for opened in batch.opened:
        if opened.key in shelf.claims or any(
            _holds(claim, opened) and claim.seen.key not in freed for claim in shelf.claims.values()
        ):
            for claim in shelf.claims.values():
                if claim.seen.stem == opened.stem or claim.seen.key == opened.key:
                    claims[claim.seen.key] = claim.seen
    counters = dict[str, CounterSeen]()
    used = dict[str, int]()
    for move in batch.counters:
        used[move.counter] = used.get(move.counter, shelf.counters.get(move.counter, 0)) + move.amount
        if move.amount > 0 and used[move.counter] > move.limit:
            counters[move.counter] = CounterSeen(move.counter, shelf.counters.get(move.counter, 0))
    return Remembered(tuple(claims.values()), tuple(counters.values())) if claims or counters else None


def _holds(claim: Claim, opened: ClaimOpened) -> bool:
    return claim.seen.stem == opened.stem and claim.seen.outcome not in FREE


def write(shelf: Shelf, batch: Batch) -> int:
    """Make an admitted ``batch`` part of what is remembered; return the stream's new end."""
    record = shelf.runs[batch.run]
    record.events.extend(batch.events)
    if batch.events:
        record.wrote = batch.epoch
    for name, content in batch.blobs:
        shelf.blobs.setdefault(name, content)
    for opened in batch.opened:
        seen = ClaimSeen(
            opened.key,
            opened.stem,
            batch.run,
            opened.position,
            opened.tool,
            opened.attempt,
            opened.arguments,
            loose=opened.loose,
        )
        shelf.claims[opened.key] = Claim(opened.scope, seen)
    for closed in batch.closed:
        claim = shelf.claims[closed.key]
        seen = ClaimSeen(
            claim.seen.key,
            claim.seen.stem,
            claim.seen.run,
            claim.seen.position,
            claim.seen.tool,
            claim.seen.attempt,
            claim.seen.arguments,
            closed.outcome,
            closed.result,
            claim.seen.loose,
        )
        shelf.claims[closed.key] = Claim(claim.scope, seen)
    for move in batch.counters:
        shelf.counters[move.counter] = shelf.counters.get(move.counter, 0) + move.amount
    for post in batch.consumed:
        del record.pending[post]
    if batch.status is not None:
        record.status, record.wake = batch.status, batch.wake
    return record.position
