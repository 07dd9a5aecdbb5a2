"""One group commit: what is read under locks, what is decided by it, and what is written.

Invariants:
- Everything that a batch is judged by is locked, in one order, before it is read.
- Answers become true by one commit; they are held here until somebody knows that it was done.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final, NamedTuple

import psycopg

from perdure.adapters.postgres.columns import text, whole
from perdure.adapters.postgres.content.blobs import Packed, putting
from perdure.adapters.postgres.content.fence import SWEPT, Fence, present_by
from perdure.adapters.postgres.failover.identity import (
    GUARD,
    REPLICATED,
    check_replicated,
    checked,
    has_doubts,
)
from perdure.adapters.postgres.failover.known import Known
from perdure.adapters.postgres.failover.losses import DOUBTFUL_AMONG, check_tenants, tenants_of
from perdure.adapters.postgres.judging.batch import (
    Asked,
    Objection,
    Sheet,
    entered,
    judged,
    places_of,
    statements_of,
)
from perdure.adapters.postgres.judging.heads import LOCK_NAMES, LOCK_RUNS, head_of
from perdure.adapters.postgres.judging.remembered import (
    CLAIMS_OF,
    COUNTERS_OF,
    SETTLING,
    Place,
    claim_of,
    locks_of,
    results_in,
    told,
)
from perdure.adapters.postgres.layout import CHANNEL
from perdure.adapters.postgres.link.rounds import Rounds
from perdure.adapters.postgres.wire import Row, Statement, Value, read_int
from perdure.adapters.postgres.writing.inbox import POSTS_OF
from perdure.log.events import Content
from perdure.log.port import Appended, Batch, Remembered
from perdure.values.errors import Fenced, PerdureError, Unreplicated

BEGIN: Final = Statement("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
"""Each statement sees what was committed before it: what is read after a lock is what the lock guards."""

COMMIT: Final = Statement("COMMIT")
ROLLBACK: Final = Statement("ROLLBACK")
TELL: Final = Statement(f"SELECT nextval('changes'), pg_notify('{CHANNEL}', '')", (), (read_int,))
"""After the commit and in no transaction with it: a notice within would make all commits wait in line."""


class Append(NamedTuple):
    """A batch on its way, its blobs packed, and who waits for it."""

    batch: Batch
    blobs: Sequence[Packed]
    answer: "Future[Appended | Remembered]"


_Answer = Appended | Objection | PerdureError


class Group:
    """Batches that share one transaction."""

    def __init__(
        self,
        works: Sequence[Append],
        later: Sequence[Asked],
        blobs: Sequence[Packed],
        known: Known,
        fence: Fence,
    ) -> None:
        """Hold what waits: ``later`` and ``blobs`` are written with it, and nobody waits for them."""
        self.works: Sequence[Append] = works
        self._later: Sequence[Asked] = later
        self._blobs: Sequence[Packed] = blobs
        self._known: Known = known
        self._fence: Fence = fence
        self._swept: int = 0
        self._sheet: Sheet = Sheet()
        self._answers: list[_Answer] = []
        self._results: dict[Place, Content | None] = {}
        self._fenced: int = 0
        self._synchronous: bool = False
        self._doubts: bool = False
        self._doubtful: set[str] = set()
        self.transaction: int = 0
        """its number, once it has one"""
        self.sent: bool = False
        """whether its commit may be on its way"""
        self.mark: int = 0
        """of the change that it made"""

    @property
    def changes(self) -> bool:
        """Whether anything is to be written."""
        return bool(self._later or self._blobs or self._written())

    def _written(self) -> list[Append]:
        pairs = zip(self.works, self._answers, strict=True)
        return [work for work, answer in pairs if isinstance(answer, Appended)]

    def look(self, rounds: Rounds) -> None:
        """First round trip: everything is locked and read."""
        batches = [work.batch for work in self.works]
        rounds.ask(BEGIN)
        takers: list[Callable[[list[Row]], None]] = [_nothing]
        if batches:
            rounds.ask(LOCK_RUNS, list({batch.run for batch in batches}))
            rounds.ask(GUARD)
            rounds.ask(SWEPT)
            takers += (self._take_heads, self._take_ground, self._take_sweeps)
        locks = locks_of(batches)
        if locks:
            rounds.ask(LOCK_NAMES, locks)
            takers.append(_nothing)
        keys = [claim.key for batch in batches for claim in (*batch.opened, *batch.closed)]
        stems = [claim.stem for batch in batches for claim in batch.opened]
        if keys:
            rounds.ask(CLAIMS_OF, keys, stems)
            takers.append(self._take_claims)
        counters = [move.counter for batch in batches for move in batch.counters]
        if counters:
            rounds.ask(COUNTERS_OF, counters)
            takers.append(self._take_counters)
        posts = [(batch.run, post) for batch in batches for post in batch.consumed]
        if posts:
            rounds.ask(POSTS_OF, [run for run, _ in posts], [post for _, post in posts])
            takers.append(self._take_posts)
        for take, rows in zip(takers, rounds.go(), strict=True):
            take(rows)

    def judge(self, rounds: Rounds) -> None:
        """Each batch is decided, in the order of the calls; where one is refused, what is against it is known."""
        if self._doubts:
            rounds.ask(DOUBTFUL_AMONG, tenants_of([work.batch for work in self.works]))
            self._doubtful = {text(row[0]) for row in rounds.go()[0]}
        gone = self._gone(rounds)
        self._answers = [gone.get(work.batch.run) or self._judged(work.batch) for work in self.works]
        refusals = [answer for answer in self._answers if isinstance(answer, Objection)]
        places = [place for refusal in refusals for place in places_of(refusal)]
        if places:
            rounds.ask(SETTLING, [run for run, _ in places], [at for _, at in places])
            self._results = results_in(rounds.go()[0])
        written = [work.batch for work in self._written()]
        if written:
            self._known.promising(written)

    def write(self, rounds: Rounds) -> None:
        """Second round trip: everything is written, and durable."""
        blobs = [*self._blobs, *(blob for work in self._written() for blob in work.blobs)]
        for statement, columns in (*statements_of(self._sheet), *putting(blobs), *self._later):
            rounds.ask(statement, *columns)
        # The server does what it hears, whether or not the round's end reaches it.
        self.sent = True
        rounds.ask(COMMIT)
        rounds.unit()
        if self._synchronous:
            rounds.ask(REPLICATED)
            rounds.unit()
        rounds.ask(TELL)
        try:
            *_, before, tell = rounds.go()
        except psycopg.Error as error:
            if not rounds.units:
                raise
            if self._synchronous and rounds.units == 1:
                raise Unreplicated(f"it isn't known whether a standby has the commit: {error}") from error
            # The commit was done; who waits for changes looks again soon.
            return
        self.mark = whole(tell[0][0])
        if self._synchronous:
            check_replicated(before[0])

    def answer(self) -> None:
        """Everybody hears what became of their batch."""
        self._known.acknowledged([work.batch for work in self._written()])
        for work, answer in zip(self.works, self._answers, strict=True):
            match answer:
                case Appended():
                    work.answer.set_result(answer)
                case Objection():
                    self._tell(work, answer)
                case _:
                    work.answer.set_exception(answer)

    def _tell(self, work: Append, refusal: Objection) -> None:
        try:
            claims = tuple(told(claim, self._results) for claim in refusal.claims)
        except PerdureError as error:
            work.answer.set_exception(error)
        else:
            work.answer.set_result(Remembered(claims, tuple(refusal.counters)))

    def evidence(self) -> list[tuple[int, int, bytes]]:
        """Return number, position and digest of the last event that each of its runs would have."""
        return list({each[0]: (each[0], each[1], each[3]) for each in self._sheet.events}.values())

    def touched(self) -> list[int]:
        """Return the numbers of the runs whose rows it writes."""
        return [head.number for head in self._sheet.heads.values() if head.touched]

    def runs(self) -> list[str]:
        return list(self._sheet.heads)

    def _gone(self, rounds: Rounds) -> dict[str, PerdureError]:
        """Return why batches of these runs name what a collector has taken away."""
        if not self.works or not self._fence.watches(self._swept):
            return {}

        def ask(statement: Statement, keys: Sequence[Value]) -> Sequence[Row]:
            rounds.ask(statement, keys)
            return rounds.go()[0]

        brought = [blob.digest.hex() for blob in self._blobs]
        gone: dict[str, PerdureError] = {}
        for work in self.works:
            try:
                self._fence.check(present_by(ask), work.batch, brought)
            except PerdureError as error:
                gone.setdefault(work.batch.run, error)
        return gone

    # -- deciding ------------------------------------------------------------------------------------

    def _judged(self, batch: Batch) -> _Answer:
        try:
            if batch.epoch <= self._fenced:
                raise Fenced(
                    f"{batch.run}: epoch {batch.epoch} was given out before a loss, and counts no more"
                )
            check_tenants(batch, self._doubtful)
            refusal = judged(self._sheet, batch)
        except PerdureError as error:
            return error
        return refusal or Appended(entered(self._sheet, batch))

    def _take_heads(self, rows: list[Row]) -> None:
        for row in rows:
            head = head_of(row)
            self._sheet.heads[head.name] = head
            self.transaction = whole(row[-1])

    def _take_ground(self, rows: list[Row]) -> None:
        claims = any(work.batch.opened for work in self.works)
        self._fenced = checked(rows[0], self._known, claims=claims)
        self._synchronous = rows[0][4] is True
        self._doubts = has_doubts(rows[0])

    def _take_sweeps(self, rows: list[Row]) -> None:
        self._swept = whole(rows[0][0])

    def _take_claims(self, rows: list[Row]) -> None:
        for row in rows:
            self._sheet.ledger.add(claim_of(row))

    def _take_counters(self, rows: list[Row]) -> None:
        for name, used in rows:
            self._sheet.ledger.counters[text(name)] = whole(used)

    def _take_posts(self, rows: list[Row]) -> None:
        for run, post in rows:
            self._sheet.waiting.add((whole(run), text(post)))


def _nothing(_rows: list[Row]) -> None:
    """There is nothing to take."""
