"""Moving runs from one store to another, whatever stores they are.

Invariants:
- A run is marked as moved in its source before anything of it is read, and counts in its target only after all of its
  unit is there and was compared. Whatever is cut off, going on from the beginning ends the same.
- Events and blobs are copied byte for byte; every store checks the chain as it writes.
- Where a unit has begun to count in the target, nothing of it is written there again.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, Protocol, cast, runtime_checkable

from perdure.adapters.holders import Fate, fate
from perdure.assembly.stores.selecting import RunGroup
from perdure.checkpoint.tree import objects
from perdure.driver.books import Books, shards, stored_after, within
from perdure.log.carrying import ARRIVING, MOVED, CarryStore, arriving, moved, other_store, received
from perdure.log.envelope import Stored, unseal
from perdure.log.naming import named_blobs, named_trees
from perdure.log.port import Batch, RunRow
from perdure.values.errors import BadInput, BlobMissing, Conflict, Held, Moved, RunExists, StoreDamaged
from perdure.values.limits import BATCH_EVENTS_MAX

Tell = Callable[[str, int, int], None]
"""(what is done, how many of it, of how many)"""

_RESTS: Final = "wait until it rests, or end who drives it; then copy again"
_WENT_ON: Final = "what is driven there rests first; what went on there is moved back: `perdure store copy` with the two stores exchanged"
_NAME: Final = re.compile(rb'"([0-9a-f]{64})"')


@runtime_checkable
class Carries(Books, Protocol):
    """Books that runs can be carried out of and into."""

    def carrier(self) -> CarryStore:
        """Return what carries them."""
        ...


class Side(NamedTuple):
    """One of the two stores, and how it is called."""

    books: Books
    where: str

    def part(self, run: str) -> Carries:
        """Return the store, or the shard of it, that the run is in."""
        return self._carrying(within(self.books, run))

    def parts(self) -> list[Carries]:
        """Return the store, or all shards of it that can be reached."""
        return [self._carrying(each) for each in shards(self.books).values()]

    def _carrying(self, books: Books) -> Carries:
        if not isinstance(books, Carries):
            raise BadInput(f"runs can't be copied from or to {self.where}")
        return books


class Copied(NamedTuple):
    """What was moved."""

    runs: tuple[str, ...]
    events: int
    claims: int
    blobs: int
    blob_bytes: int


class Relocating:
    """Moves units of runs from ``source`` to ``target``."""

    def __init__(self, source: Side, target: Side, tell: Tell) -> None:
        """Tell ``tell`` how far it is."""
        self._source: Side = source
        self._target: Side = target
        self._tell: Tell = tell
        self._events: int = 0
        self._claims: int = 0
        self._blobs: int = 0
        self._bytes: int = 0

    def check(self, unit: RunGroup) -> None:
        """Raise if the unit can't be moved now: ``Moved``, ``Held``, ``RunExists``; nothing is changed."""
        there = {each.carrier().identity() for each in self._target.parts()}
        for run in unit.runs:
            source = _row(self._source.books, run)
            if source is None:
                raise BadInput(f"run {run} is gone from {self._source.where}")
            gone = other_store(source.holder, MOVED)
            if gone is not None and source.holder is not None and gone not in there:
                raise Moved(f"{run} was moved to {source.holder.started.partition(' ')[2]}")
            if gone is None and source.holder is not None and fate(source.holder) is not Fate.DEAD:
                raise Held(f"{run} is held by process {source.holder.pid}", hint=_RESTS)
            target = _row(self._target.books, run)
            if target is None or gone is not None or not (target.position or target.epoch):
                continue
            here = self._source.part(run).carrier().identity()
            if here not in (other_store(target.holder, ARRIVING), other_store(target.holder, MOVED)):
                raise RunExists(
                    f"there is a run {run!r} in {self._target.where} already",
                    hint="rename nothing: use another store",
                )

    def move(self, unit: RunGroup) -> Copied:
        """The unit counts in the target, and is marked as moved in the source. Raises ``Held`` if a run is driven."""
        self._events = self._claims = self._blobs = self._bytes = 0
        self._make(unit)
        self._mark(unit)
        rest = unit._replace(runs=tuple(run for run in unit.runs if not self._counts(run)))
        if rest.runs:
            self._bring(rest)
            self._compare(rest)
        for run in rest.runs:
            row = _known(self._target.books, run)
            if other_store(row.holder, ARRIVING) is not None:
                self._target.books.release(run, row.epoch)
        return Copied(unit.runs, self._events, self._claims, self._blobs, self._bytes)

    def take_back(self, unit: RunGroup) -> Copied:
        """The unit counts in the source again. Raises ``BadInput`` if its copy was used, ``Held`` if it is.

        Then all of it counts in the target as before.
        """
        gone = [run for run in unit.runs if self._is_gone(run)]
        given: dict[str, int] = {}
        try:
            for run in gone:
                epoch = self._given_up(run)
                if epoch:
                    given[run] = epoch
        except (BadInput, Held) as error:
            for run, epoch in given.items():
                self._target.books.release(run, epoch)
            raise type(error)(str(error), hint=_WENT_ON) from error
        for run in gone:
            self._source.books.release(run, _known(self._source.books, run).epoch)
        return Copied(tuple(gone), 0, 0, 0, 0)

    # -- marks ---------------------------------------------------------------------------------------

    def _make(self, unit: RunGroup) -> None:
        """The first run of the unit arrives in the target, if it may: it is known which store that is."""
        run = unit.runs[0]
        if not self._is_gone(run):
            self._arrived(run)

    def _arrived(self, run: str) -> int:
        """The run is in the target, held as one that arrives; return the epoch."""
        source, target = self._source.part(run).carrier(), self._target.books
        holder = arriving(source.identity(), self._source.where)
        if _row(target, run) is None:
            new = source.carried(run).new
            if new.parent is None:
                target.create(new)
            else:
                self._target.part(new.parent).carrier().fork(new, holder)
        row = _known(target, run)
        if other_store(row.holder, ARRIVING) is not None:
            return row.epoch
        return target.acquire(run, holder, take_over=other_store(row.holder, MOVED) is not None).epoch

    def _mark(self, unit: RunGroup) -> None:
        """Nobody drives the unit in the source any more. Raises ``Held``; nothing is then marked that wasn't."""
        done: dict[str, int] = {}
        holder = moved(self._target.part(unit.runs[0]).carrier().identity(), self._target.where)
        try:
            for run in unit.runs:
                if not self._is_gone(run):
                    done[run] = self._source.books.acquire(run, holder).epoch
        except Held as held:
            for run, epoch in done.items():
                self._source.books.release(run, epoch)
            raise Held(str(held), hint=_RESTS) from held

    def _counts(self, run: str) -> bool:
        """Tell whether the run counts in the target already."""
        row = _row(self._target.books, run)
        if row is None or other_store(row.holder, ARRIVING) or other_store(row.holder, MOVED):
            return False
        source = _known(self._source.books, run)
        if (not row.position and source.position) or not row.epoch:
            return False
        same = row.position >= source.position and _digest_at(self._target.books, run, source) == source.head
        if not same:
            raise Conflict(f"run {run} in {self._target.where} is another than in {self._source.where}")
        return True

    def _is_gone(self, run: str) -> bool:
        source = _known(self._source.books, run)
        return other_store(source.holder, MOVED) is not None

    def _given_up(self, run: str) -> int:
        """Nobody drives the run in the target any more, and nobody has; return the epoch, 0 if it didn't count there.

        Raises ``BadInput`` if somebody has driven it, or has told it something, ``Held`` if somebody does.
        """
        row, source = _row(self._target.books, run), _known(self._source.books, run)
        if row is None or other_store(row.holder, MOVED) is not None:
            return 0
        arrives = other_store(row.holder, ARRIVING) is not None
        holder = moved(self._source.part(run).carrier().identity(), self._source.where)
        epoch = self._target.books.acquire(run, holder, take_over=arrives).epoch
        if arrives:
            return 0
        if row.epoch and (_known(self._target.books, run).head != source.head or self._was_told(run)):
            self._target.books.release(run, epoch)
            raise BadInput(f"run {run} went on in {self._target.where}")
        return epoch

    def _was_told(self, run: str) -> bool:
        known = {post.id for post in self._source.books.inbox(run)}
        return any(post.id not in known for post in self._target.books.inbox(run))

    # -- what is brought -----------------------------------------------------------------------------

    def _bring(self, unit: RunGroup) -> None:
        seen: set[str] = set()
        for number, run in enumerate(unit.runs):
            self._tell(f"runs of {unit.tenant}", number, len(unit.runs))
            self._bring_run(run, seen)
        source, target = (side.part(unit.runs[0]).carrier() for side in (self._source, self._target))
        claims = source.carried_claims(unit.runs)
        for claim in claims:
            result = claim.result
            self._put(unit.runs[0], [result.blob] if result is not None and result.blob else [])
        self._target.part(unit.runs[0]).flush()
        target.settle_claims(unit.runs, claims)
        self._claims += len(claims)
        target.receive(source.identity(), self._counters(unit, source, target))

    def _bring_run(self, run: str, seen: set[str]) -> None:
        source = self._source.part(run)
        part = source.carrier().carried(run)
        epoch = self._arrived(run)
        books = self._target.part(run)
        after = _known(books, run).position
        for page in stored_after(source, run, after):
            for first in range(0, len(page), BATCH_EVENTS_MAX):
                self._append(books, run, epoch, page[first : first + BATCH_EVENTS_MAX], seen)
        for post in part.posts:
            self._put(run, _names(post.body or b""))
        books.flush()
        books.carrier().settle(part, epoch)

    def _append(self, books: Books, run: str, epoch: int, events: Sequence[Stored], seen: set[str]) -> None:
        self._put(run, _needed(self._source.part(run), events, seen))
        books.flush()
        batch = Batch(run, events[0].position - 1, epoch, events, alone=True)
        books.append(batch).result()
        self._events += len(events)

    def _put(self, run: str, names: Iterable[str]) -> None:
        """What the source has of the blobs is in the target; what it let go stays gone."""
        source, target = self._source.part(run), self._target.part(run)
        for name in names:
            if not target.has(name):
                with suppress(BlobMissing):
                    content = source.get(name)
                    target.put(name, content)
                    self._blobs += 1
                    self._bytes += len(content)

    def _counters(self, unit: RunGroup, source: CarryStore, target: CarryStore) -> dict[str, int]:
        """Return what the source has counted by itself for the unit, without what the target had brought to it."""
        totals, there = source.totals(), target.identity()
        lineages = {_known(self._source.books, run).lineage for run in unit.runs}
        owners = (f"tenant:{unit.tenant}:", *(f"lineage:{lineage}:" for lineage in lineages))
        return {
            name: used - totals.get(received(there, name), 0)
            for name, used in totals.items()
            if name.startswith(owners)
        }

    # -- what is compared ----------------------------------------------------------------------------

    def _compare(self, unit: RunGroup) -> None:
        """Raise ``StoreDamaged`` if the unit in the target isn't what it is in the source."""
        seen: set[str] = set()
        for number, run in enumerate(unit.runs):
            self._tell(f"runs of {unit.tenant} compared", number, len(unit.runs))
            source, target = self._source.part(run), self._target.part(run)
            ours, theirs = _known(source, run), _known(target, run)
            if _told(ours) != _told(theirs):
                raise self._differs(run, "its row")
            if list(source.inbox(run)) != list(target.inbox(run)):
                raise self._differs(run, "its inbox")
            after = ours.forked_at
            for left, right in zip(
                stored_after(source, run, after), stored_after(target, run, after), strict=True
            ):
                if left != right:
                    raise self._differs(run, f"an event past {left[0].position - 1}")
                self._compare_blobs(run, right, seen)
        source, target = (side.part(unit.runs[0]).carrier() for side in (self._source, self._target))
        if list(source.carried_claims(unit.runs)) != list(target.carried_claims(unit.runs)):
            raise self._differs(unit.runs[0], "its claims")

    def _compare_blobs(self, run: str, events: Sequence[Stored], seen: set[str]) -> None:
        source, target = self._source.part(run), self._target.part(run)
        for name in _needed(source, events, seen):
            if not target.has(name) and source.has(name):
                raise self._differs(run, f"blob {name}, which is missing")

    def _differs(self, run: str, what: str) -> StoreDamaged:
        return StoreDamaged(
            f"{run} in {self._target.where} differs in {what}",
            hint="copy again; nothing of the copy was used",
        )


def _needed(books: Books, events: Sequence[Stored], seen: set[str]) -> Iterable[str]:
    """Yield the blobs that ``events`` name with all below their trees, as far as they are here."""
    for stored in events:
        body = unseal(stored).body
        trees = named_trees(body)
        yield from (name for name in named_blobs(body) if name not in trees)
        for tree in trees:
            try:
                yield from objects(books.get, tree, seen)
            except BlobMissing:
                continue


def _names(body: bytes) -> list[str]:
    return [name.decode() for name in cast("list[bytes]", _NAME.findall(body))]


def _row(books: Books, run: str) -> RunRow | None:
    rows = books.rows(run)
    return rows[0] if rows else None


def _known(books: Books, run: str) -> RunRow:
    row = _row(books, run)
    if row is None:
        raise Conflict(f"run {run} is gone")
    return row


def _told(row: RunRow) -> RunRow:
    """Return the row without who holds it."""
    return row._replace(epoch=0, holder=None)


def _digest_at(books: Books, run: str, row: RunRow) -> bytes:
    if not row.position:
        return row.head
    found = books.read(run, row.position - 1, 1)
    return found[0].digest if found else b""
