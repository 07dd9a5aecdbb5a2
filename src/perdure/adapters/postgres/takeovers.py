"""What people ask and say of a store that went on on another server: the front of ``releasing`` for one store."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

import psycopg

from perdure.adapters.postgres.identity import ground
from perdure.adapters.postgres.known import Known
from perdure.adapters.postgres.losses import LostClaim
from perdure.adapters.postgres.releasing import (
    Answer,
    Failover,
    Missed,
    Released,
    answer_for,
    declare,
    doubtful_of,
    failovers_of,
    missed_of,
    release,
)
from perdure.adapters.postgres.sealing import Gone, read_seal
from perdure.values.errors import Suspended, Unreplicated

Database = psycopg.Connection[tuple[object, ...]]


class Takeovers:
    """Failovers, restored backups, and what is said of them."""

    def __init__(self, known: Known, borrowed: Callable[[str], AbstractContextManager[Database]]) -> None:
        """Work over connections that are ``borrowed``; ``known`` has the witness, if there is one."""
        self._known: Known = known
        self._borrowed: Callable[[str], AbstractContextManager[Database]] = borrowed

    def suspended(self) -> str | None:
        """Return why no run of this store may be driven, or None."""
        with self._borrowed("reading whose store this is") as db:
            try:
                ground(db, self._known)
            except Suspended as error:
                return str(error).partition(": ")[2]
            except Unreplicated:
                return None
        return None

    def release(self, by: str, missing: Sequence[LostClaim] | None = None) -> Released:
        """``by`` says that this copy counts, and that ``missing`` is all that is missing; None: they don't know.

        What the witness knows is put back as well. Where nobody knows all, each run has to be answered for.
        """
        with self._borrowed("releasing the store") as db:
            gone, whole = Gone(), False
            witness = self._known.witness
            if witness is not None:
                seal = read_seal(db)
                since = witness.founded(seal)
                gone, reached = witness.gone(db)
                whole = since and reached and witness.claims_before
            done = release(db, by, Answer(missing or (), missing is not None or whole, gone))
            self._known.forget(self._known.gone(db))
            if witness is not None and self._known.place is not None:
                witness.arrived(self._known.place)
            return done

    def answer_for(self, run: str, by: str, missing: Sequence[LostClaim]) -> Released:
        """``by`` says that ``missing`` is all that is missing of ``run``."""
        with self._borrowed(f"releasing {run}") as db:
            return answer_for(db, run, by, Answer(missing, known=True))

    def declare(self, *, synchronous: bool) -> None:
        """Every acknowledged commit is on a standby, or need not be. Raises ``BadInput``."""
        with self._borrowed("declaring how the server replicates") as db:
            declare(db, synchronous=synchronous)

    def is_synchronous(self) -> bool:
        """Whether every acknowledged commit has to be on a standby."""
        with self._borrowed("reading how the server replicates") as db:
            return read_seal(db).synchronous

    def failovers(self) -> Sequence[Failover]:
        """Return every time that the store went on elsewhere, oldest first."""
        with self._borrowed("reading failovers") as db:
            return failovers_of(db)

    def missed(self) -> Sequence[Missed]:
        """Return the claims that were found missing."""
        with self._borrowed("reading what was missing") as db:
            return missed_of(db)

    def doubtful(self, most: int) -> Sequence[tuple[str, str]]:
        """Return up to ``most`` runs that have to be answered for, and why."""
        with self._borrowed("reading which runs are doubtful") as db:
            return doubtful_of(db, most)
