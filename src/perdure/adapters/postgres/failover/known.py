"""What one process remembers of a store: the server, and what it was told is durable. Its memory outlives servers.

Invariants:
- Heads and claims are remembered before whoever waits for them is told: nothing is done in the world on the
  strength of a commit that this process would not miss.
- It vouches for a server only where its newest commit is there, and was moments before the old server was gone:
  the log of a server is one line, so what was committed before that commit is there as well.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

import psycopg

from perdure.adapters.postgres.failover.outside import OutsideWitness
from perdure.adapters.postgres.failover.sealing import Gone, KnownHead, Promised, ServerLife, promises_of
from perdure.log.port import Batch
from perdure.values.limits import REMEMBERED_CLAIMS_MAX, REMEMBERED_HEADS_MAX, VOUCHES_SECONDS

Database = psycopg.Connection[tuple[object, ...]]

_GONE_HEADS: Final = """
SELECT h.run, h.position, h.digest FROM unnest(%s::text[], %s::bigint[], %s::bytea[]) AS h (run, position, digest)
WHERE NOT EXISTS (
    SELECT FROM runs r JOIN events e ON e.run = r.number AND e.position = h.position
    WHERE r.name = h.run AND e.digest = h.digest
)
"""
_GONE_CLAIMS: Final = """
SELECT c.key FROM unnest(%s::text[]) AS c (key) WHERE NOT EXISTS (SELECT FROM claims k WHERE k.key = c.key)
"""
_BEAT: Final = """
INSERT INTO beats AS b (process, number) VALUES (%s, %s)
ON CONFLICT (process) DO UPDATE SET number = excluded.number, at = now()
"""
_BEATEN: Final = "SELECT number FROM beats WHERE process = %s"
_FORGOTTEN: Final = "DELETE FROM beats WHERE at < now() - interval '1 day'"


class Known:
    """The memory of one store object; its connections share it."""

    def __init__(
        self,
        witness: OutsideWitness | None = None,
        *,
        process: str = "this process",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing seen; ``process`` names this process among all."""
        self.witness: OutsideWitness | None = witness
        self.process: str = process
        self.place: ServerLife | None = None
        self._now: Callable[[], float] = now
        self._guard: threading.Lock = threading.Lock()
        self._heads: dict[str, KnownHead] = {}
        self._claims: dict[str, Promised] = {}
        self._beats: int = 0
        self._certain_at: float | None = None
        self._broke_at: float | None = None

    @property
    def tells_claims(self) -> bool:
        """Whether every claim is told to a witness before it is committed."""
        return self.witness is not None and self.witness.claims_before

    def promising(self, batches: Sequence[Batch]) -> None:
        """These batches are about to be committed; raises ``Busy`` or ``StoreFailed`` if no witness can be told."""
        if self.witness is not None:
            self.witness.promising(batches)

    def acknowledged(self, batches: Sequence[Batch]) -> None:
        """These batches are durable, and their callers are about to hear it."""
        with self._guard:
            for batch in batches:
                if batch.events:
                    last = batch.events[-1]
                    self._heads.pop(batch.run, None)
                    self._heads[batch.run] = KnownHead(batch.run, last.position, last.digest)
                for promised in promises_of(batch):
                    self._claims[promised.key] = promised
            _bound(self._heads, REMEMBERED_HEADS_MAX)
            _bound(self._claims, REMEMBERED_CLAIMS_MAX)
            self._certain_at, self._broke_at = self._now(), None
        if self.witness is not None:
            self.witness.told(batches)

    def gone(self, db: Database) -> Gone:
        """Return what this process was told is durable and is not here."""
        with self._guard:
            heads, claims = list(self._heads.values()), dict(self._claims)
        rows: list[tuple[object, ...]] = []
        if heads:
            columns = ([h.run for h in heads], [h.position for h in heads], [h.digest for h in heads])
            rows = db.execute(_GONE_HEADS, columns).fetchall()
        missing = {str(row[0]) for row in rows}
        keys: list[tuple[object, ...]] = []
        if claims:
            keys = db.execute(_GONE_CLAIMS, (list(claims),)).fetchall()
        return Gone(
            tuple(head for head in heads if head.run in missing), tuple(claims[str(row[0])] for row in keys)
        )

    def forget(self, gone: Gone) -> None:
        """What is missing was written down where others see it."""
        with self._guard:
            for head in gone.heads:
                if self._heads.get(head.run) == head:
                    del self._heads[head.run]
            for claim in gone.claims:
                self._claims.pop(claim.key, None)

    # -- vouching ------------------------------------------------------------------------------------

    def beat(self, db: Database) -> None:
        """A commit of this process is durable, whether or not anybody had anything to write."""
        with self._guard:
            self._beats += 1
            number = self._beats
        db.execute(_BEAT, (self.process, number))
        if number % 1000 == 1:
            db.execute(_FORGOTTEN)
        with self._guard:
            self._certain_at, self._broke_at = self._now(), None

    def broke(self) -> None:
        """The server did not answer."""
        with self._guard:
            if self._broke_at is None:
                self._broke_at = self._now()

    def is_due(self, seconds: float) -> bool:
        """Whether nothing has become durable for ``seconds``."""
        with self._guard:
            return self._certain_at is None or self._now() - self._certain_at >= seconds

    def vouches(self, db: Database) -> bool:
        """Whether all is here that was durable moments before the old server was gone. Ask after ``gone``."""
        with self._guard:
            certain, broke, number = self._certain_at, self._broke_at, self._beats
        if certain is None or (self._now() if broke is None else broke) - certain > VOUCHES_SECONDS:
            return False
        if not number:
            return True
        row = db.execute(_BEATEN, (self.process,)).fetchone()
        return row is not None and isinstance(row[0], int) and row[0] >= number


def _bound(table: dict[str, KnownHead] | dict[str, Promised], most: int) -> None:
    while len(table) > most:
        del table[next(iter(table))]
